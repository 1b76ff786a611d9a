"""Several changes as one: one plan, one approval, one run, and taken back in reverse order when one of them does not work."""

from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import claiming, execution, services
from actions.admission import stored_plan
from actions.errors import BadParams, CannotPlanNow, Denied, NotFound, Refused
from actions.models import Execution, Hold, Request
from actions.states import ExecutionState, RequestState
from approvals.facts import Effect
from connectors.kubernetes import KubernetesCluster
from inventory.models import Environment, Service, Team, Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, made_namespace, workload

NAMES = ("api", "worker", "mailer")


@pytest.fixture(scope="module")
def place(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(*(workload(name) for name in NAMES))
        yield made


@pytest.fixture
def there(people: People, cluster: KubernetesCluster, place: Namespace, settings: Settings) -> Shop:
    """All of them as they were, and nothing soaks."""
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 0})
    place.apply(*(workload(name) for name in NAMES))
    for name in NAMES:
        place.roll_out("deployment", name)
    return Shop(cluster, place)


@pytest.fixture
def api(there: Shop) -> Workload:
    return there.knows("api", environment=there.staging)


@pytest.fixture
def worker(there: Shop) -> Workload:
    return there.knows("worker", environment=there.staging)


def resize(target: Workload, replicas: int) -> dict[str, Any]:
    return {"action": "resize-workload", "target": target.pk, "params": {"replicas": replicas}}


def restart(target: Workload) -> dict[str, Any]:
    return {"action": "restart-workload", "target": target.pk, "params": {}}


def replicas(place: Namespace, *names: str) -> list[int]:
    return [place.get("deployment", name)["spec"]["replicas"] for name in names]


def test_one_run_changes_all_and_its_undo_is_a_chain_in_reverse(
    api: Workload, worker: Workload, people: People, place: Namespace
) -> None:
    request = asks(people.mira, "chain", api, parts=[resize(api, 3), resize(worker, 1)])
    assert request.state == RequestState.APPROVED
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert replicas(place, "api", "worker") == [3, 1]
    assert [entry.step for entry in run.journal.filter(phase="apply")] == ["1/scale", "2/scale"]
    assert not Hold.objects.exists()

    undone = services.undo(actor=people.mira, request=fresh(request), reason="Enough seen.", entrance="test")
    assert [part.target.ref.name for part in stored_plan(undone).parts] == ["worker", "api"]
    run = work_off(undone)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert replicas(place, "api", "worker") == [2, 2]


def test_in_production_one_approval_is_for_all_of_it(there: Shop, people: People) -> None:
    api, worker = there.knows("api"), there.knows("worker")
    request = asks(people.mira, "chain", api, parts=[resize(api, 3), restart(worker)])
    assert request.state == RequestState.AWAITING_APPROVAL
    assert [need["count"] for need in request.ruling["requirements"]] == [1]
    approves(people.jonas, request)
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause


def test_what_fails_takes_back_what_was_done_before_it(
    api: Workload, there: Shop, people: People, place: Namespace
) -> None:
    place.apply(workload("mailer", behaviour="image-gone"))
    place.roll_out("deployment", "mailer")
    mailer = there.knows("mailer", environment=there.staging)
    request = asks(people.mira, "chain", api, parts=[resize(api, 3), restart(mailer)])
    run = work_off(request, 90)
    assert run.state == ExecutionState.REVERTED, run.cause
    assert run.cause.startswith("Part 2, Restart mailer: The image cannot be pulled")
    assert [entry.step for entry in run.journal.filter(phase="revert")] == ["2/restore", "1/scale-back"]
    assert replicas(place, "api") == [2]


def test_a_part_that_drifted_is_not_done_and_not_taken_back(
    api: Workload, worker: Workload, people: People, place: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first step is done, then the worker dies, and somebody else changes what the second was planned on."""
    request = asks(people.mira, "chain", api, parts=[resize(api, 3), resize(worker, 3)])
    kill_before(monkeypatch, "2/scale")
    claimed = claiming.claim()
    assert claimed is not None
    with pytest.raises(KeyboardInterrupt):
        execution.advance(claimed)
    monkeypatch.undo()
    assert replicas(place, "api", "worker") == [3, 2]
    place.kubectl("scale", "deployment/worker", "--replicas=4")
    Execution.objects.filter(request=request).update(lease_until=timezone.now())
    run = work_off(request)
    assert run.state == ExecutionState.REVERTED, run.cause
    assert [entry.step for entry in run.journal.filter(phase="revert")] == ["1/scale-back"]
    assert replicas(place, "api", "worker") == [2, 4]


def test_a_worker_that_dies_between_two_parts_does_neither_twice(
    api: Workload, worker: Workload, people: People, place: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    effects = len(place.effects())
    request = asks(people.mira, "chain", api, parts=[resize(api, 3), resize(worker, 3)])
    kill_before(monkeypatch, "2/scale")
    claimed = claiming.claim()
    assert claimed is not None
    with pytest.raises(KeyboardInterrupt):
        execution.advance(claimed)
    monkeypatch.undo()
    Execution.objects.filter(request=request).update(lease_until=timezone.now())
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert replicas(place, "api", "worker") == [3, 3]
    assert len(place.effects()) == effects + 2


def kill_before(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """As the machine would: nothing that is not written down is known afterwards."""
    intend = execution.journal.intend

    def until(run: Execution, phase: str, at: Any, **more: Any) -> Any:
        if at.id == step:
            raise KeyboardInterrupt
        return intend(run, phase, at, **more)

    monkeypatch.setattr(execution.journal, "intend", until)


def test_a_part_that_is_denied_denies_all_and_says_which(there: Shop, people: People) -> None:
    api, worker = there.knows("api"), there.knows("worker")
    with pytest.raises(Denied, match="Resize worker, replicas 2 to 0: Zero replicas would switch worker off"):
        off = {**resize(worker, 0), "params": {"replicas": 0, "allow_zero": True}}
        asks(people.mira, "chain", api, parts=[restart(api), off])


def test_nobody_gets_more_by_asking_for_it_as_one(api: Workload, worker: Workload, people: People) -> None:
    """Each part is ruled as it would be alone, on its own facts."""
    parts = [resize(api, 3), restart(worker)]
    for person in (people.mira, people.jonas):
        whole = services.preview(actor=person, action="chain", target=api.pk, params={"parts": parts}).ruling
        alone = [
            services.preview(actor=person, action=part["action"], target=part["target"], params=part["params"]).ruling
            for part in parts
        ]
        assert whole.effect == max((each.effect for each in alone), key=[Effect.ALLOW, Effect.NEEDS, Effect.DENY].index)
        assert {rule for each in alone for rule in each.deciding_rules} <= {answer.rule for answer in whole.answers}


@pytest.fixture
def elsewhere(there: Shop) -> Workload:
    """Of another team, which Mira cannot see."""
    found = there.knows("mailer", environment=there.staging)
    Service.objects.filter(slug="mailer").update(team=Team.objects.get(slug="storefront"))
    return found


def test_what_a_person_may_not_see_is_no_part_either(api: Workload, elsewhere: Workload, people: People) -> None:
    with pytest.raises(CannotPlanNow, match="Part 2: There is no such workload, or you may not see it"):
        asks(people.mira, "chain", api, parts=[restart(api), restart(elsewhere)])


def test_parts_of_two_teams_are_asked_for_one_by_one(api: Workload, elsewhere: Workload, people: People) -> None:
    people.mira.groups.add(Team.objects.get(slug="storefront").group)
    with pytest.raises(CannotPlanNow, match="The parts belong to several teams"):
        asks(people.mira, "chain", api, parts=[restart(api), restart(elsewhere)])


def test_parts_are_in_the_environment_where_it_is_asked_for(api: Workload, there: Shop, people: People) -> None:
    other = there.knows("worker", environment=Environment.objects.create(slug="qa", criticality=0, position=0))
    with pytest.raises(CannotPlanNow, match="All parts have to be in staging"):
        asks(people.mira, "chain", api, parts=[restart(api), restart(other)])


@pytest.mark.parametrize(
    ("parts", "refusal", "sentence"),
    [
        (lambda a, b: [restart(a)], BadParams, "at least 2 items"),
        (lambda a, b: [restart(a)] * 11, BadParams, "at most 10 items"),
        (lambda a, b: [restart(a), {"action": "chain", "target": b.pk, "params": {}}], CannotPlanNow, "Part 2 is a chain itself"),
        (lambda a, b: [restart(a), {"action": "undo-chain", "target": b.pk, "params": {}}], CannotPlanNow, "Part 2 is a chain"),
        (lambda a, b: [restart(a), {"action": "resume-gitops", "target": b.pk, "params": {}}], CannotPlanNow,
         "Resume auto-sync is only done as the end of something else"),
        (lambda a, b: [restart(a), {"action": "nonsense", "target": b.pk, "params": {}}], CannotPlanNow, "no action 'nonsense'"),
        (lambda a, b: [restart(a), {**restart(b), "target": 2**62}], CannotPlanNow, "Part 2: There is no such workload"),
        (lambda a, b: [restart(a), {**restart(b), "reason": "x"}], BadParams, "parts.1.reason"),
        (lambda a, b: [restart(a), {**resize(b, 3), "params": {"replicas": "3"}}], BadParams, "parts.1.params.replicas"),
        (lambda a, b: [restart(a), resize(a, 3)], CannotPlanNow, "Two of the parts change Deployment"),
        (lambda a, b: [restart(a), resize(b, 2)], CannotPlanNow, "Part 2, resize worker: It has 2 replicas already"),
        (lambda a, b: [restart(b), resize(b, 3)], CannotPlanNow, "None of the parts is about api"),
    ],
)  # fmt: skip
def test_a_forged_or_senseless_part_is_refused(
    parts: Any, refusal: type[Refused], sentence: str, api: Workload, worker: Workload, people: People
) -> None:
    with pytest.raises(refusal) as refused:
        asks(people.mira, "chain", api, parts=parts(api, worker))
    assert sentence in f"{refused.value} {getattr(refused.value, 'fields', '')}"
    assert not Request.objects.exists()


def test_an_undo_cannot_be_asked_for_as_if_it_were_an_action(api: Workload, worker: Workload, people: People) -> None:
    with pytest.raises(NotFound):
        asks(people.mira, "undo-chain", api, parts=[restart(api), restart(worker)])
