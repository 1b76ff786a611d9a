"""Several changes as one: one plan, one approval, one run, and taken back in reverse order when one of them does not work."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hvac.exceptions import InvalidPath
from pytest_django.fixtures import Settings

from actions import claiming, execution, grants, handover, journal, services
from actions.admission import stored_plan
from actions.errors import BadParams, CannotPlanNow, Denied, NotFound, Refused, TooLate
from actions.models import Execution, Grant, Hold, Request
from actions.states import ExecutionState, GrantState, RequestState
from approvals.rulings import Effect
from connectors.kubernetes import KubernetesCluster, WorkloadSeen
from inventory.models import Environment, Secret, Service, Team, Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, eventually, made_namespace, workload
from tests.safe import Safe, made_safe

NAMES = ("api", "worker", "mailer")


@pytest.fixture(scope="module")
def place(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(*(workload(name) for name in NAMES), workload("broken", behaviour="image-gone"))
        for name in (*NAMES, "broken"):
            made.roll_out("deployment", name)
        yield made


@pytest.fixture
def there(
    people: People, cluster: KubernetesCluster, place: Namespace, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> Shop:
    """All of them as they were, and nothing soaks."""
    monkeypatch.setattr(execution, "RETRY", timedelta(milliseconds=100))
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 0})
    for name in NAMES:
        if cluster.read_workload("Deployment", place.name, name).wanted != 2:
            place.kubectl("scale", f"deployment/{name}", "--replicas=2")
        eventually(lambda name=name: at_rest(cluster.read_workload("Deployment", place.name, name)))  # type: ignore[misc]
    return Shop(cluster, place)


def at_rest(seen: WorkloadSeen) -> bool:
    return seen.observed_generation == seen.generation and seen.replicas == seen.ready == seen.updated == 2


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
    broken = there.knows("broken", environment=there.staging)
    request = asks(people.mira, "chain", api, parts=[access(api), resize(api, 3), restart(broken)])
    run = work_off(request, 90)
    assert run.state == ExecutionState.REVERTED, run.cause
    assert run.cause.startswith("Part 3, Restart broken: The image cannot be pulled")
    taken_back = [entry.step for entry in run.journal.filter(phase="revert")]
    assert taken_back == ["3/restore", "2/scale-back", "1/unbind", "1/remove"]
    assert (replicas(place, "api"), given(place)) == ([2], "")
    assert Grant.objects.get(request=request).state == GrantState.ENDED


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
    intend = journal.intend

    def until(run: Execution, phase: str, at: Any, **more: Any) -> Any:
        if at.id == step:
            raise KeyboardInterrupt
        return intend(run, phase, at, **more)

    monkeypatch.setattr(journal, "intend", until)


def rotate(secret: Secret) -> dict[str, Any]:
    return {"action": "rotate-secret", "target": secret.pk, "params": {"keys": "api_key", "generator": "hex"}}


@pytest.fixture(scope="module")
def safe(endpoints: Endpoints) -> Iterator[Safe]:
    with made_safe(endpoints) as made:
        yield made


def test_secrets_are_rotated_across_services_and_the_old_ones_go_when_all_are_proved(
    api: Workload, worker: Workload, there: Shop, people: People, safe: Safe
) -> None:
    one = safe.kv("one", {"api_key": "old"}, api, environment=there.staging)
    two = safe.kv("two", {"api_key": "old"}, worker, environment=there.staging)
    Secret.objects.filter(pk=two.pk).update(service=api.service)
    request = asks(people.mira, "chain", api, parts=[rotate(one), rotate(two)])
    done = [step.id for step in stored_plan(request).steps]
    assert done[-2:] == ["1/destroy", "2/destroy"]
    assert "2/prove" in done[:-2]
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    for secret in (one, two):
        assert len(safe.vault.value(secret.path)["api_key"]) == 64
        with pytest.raises(InvalidPath):
            safe.vault.value(secret.path, 1)


def test_two_secrets_with_a_common_reader_are_rotated_one_after_the_other(
    api: Workload, there: Shop, people: People, safe: Safe
) -> None:
    parts = [rotate(safe.kv(name, {"api_key": "old"}, api, environment=there.staging)) for name in ("one", "two")]
    Secret.objects.update(service=api.service)
    with pytest.raises(CannotPlanNow, match="Two of the parts change Deployment"):
        asks(people.mira, "chain", api, parts=parts)


def access(target: Workload) -> dict[str, Any]:
    params = {"role": "afterdeck-debug", "minutes": 60, "identity": "token"}
    return {"action": "get-namespace-access", "target": target.pk, "params": params}


def given(place: Namespace) -> str:
    return place.kubectl("get", "serviceaccount,rolebinding", "-l", "afterdeck.dev/grant", "-o", "name")


def test_access_that_is_part_of_it_is_a_grant_that_ends(
    api: Workload, worker: Workload, people: People, place: Namespace
) -> None:
    request = asks(people.mira, "chain", api, parts=[access(api), restart(worker)])
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    grant = Grant.objects.get(request=request)
    assert (grant.kind, grant.target_key) == (Grant.Kind.ACCESS, f"access:workload:{api.uid}")
    wrapped = handover.hand_over(actor=people.mira, grant=fresh(request).grant)
    assert "kubeconfig" in handover.reveal(actor=people.mira, grant=grant, token=wrapped.token)
    with pytest.raises(TooLate, match="Part of it ends by itself"):
        services.undo(actor=people.mira, request=fresh(request), reason="Enough.", entrance="test")

    Grant.objects.filter(pk=grant.pk).update(ends_at=timezone.now())
    grants.end_due()
    end = work_off(grant.endings.get())
    assert end.state == ExecutionState.SUCCEEDED, end.cause
    assert Grant.objects.get(pk=grant.pk).state == GrantState.ENDED
    assert given(place) == ""


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
