"""What goes wrong after the effect is taken back, for good, and exactly; and what went well can be undone."""

import json

import pytest

from actions import claiming, execution, services
from actions.errors import BadParams, NotAllowed, TooLate
from actions.models import Execution, Request
from actions.states import ExecutionState, RequestState
from audit import queries
from connectors.kubernetes import KubernetesCluster
from inventory.models import Workload
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, eventually, workload


def journal(run: Execution) -> list[tuple[str, str, str]]:
    return list(run.journal.values_list("phase", "step", "status"))


def test_a_statefulset_whose_image_is_gone_comes_back_to_the_pods_it_had(
    shop: Shop, people: People, namespace: Namespace, cluster: KubernetesCluster
) -> None:
    namespace.apply(workload("ledger", kind="StatefulSet", behaviour="image-gone"))
    namespace.roll_out("statefulset", "ledger")
    before = namespace.get("statefulset", "ledger")["spec"]
    request = asks(people.mira, "restart-workload", shop.knows("ledger", kind="StatefulSet", environment=shop.staging))
    run = work_off(request, 90)
    assert run.state == ExecutionState.REVERTED, run.cause
    assert "image cannot be pulled" in run.cause
    assert namespace.get("statefulset", "ledger")["spec"] == before
    seen = cluster.read_workload("StatefulSet", namespace.name, "ledger")
    assert seen.ready == 2
    assert {pod.template_hash for pod in cluster.pods_of(seen)} == {seen.update_revision}
    assert journal(run)[-3:] == [
        ("revert", "restore", "succeeded"), ("revert", "evict", "succeeded"), ("verify_revert", "observe", "succeeded")
    ]  # fmt: skip
    effects = [(each["verb"], each["objectRef"].get("subresource", "")) for each in namespace.effects()]
    assert effects == [("patch", ""), ("patch", ""), ("create", "eviction")]
    assert {each["impersonatedUser"]["username"] for each in namespace.effects()} == {"mira"}


def pods(namespace: Namespace) -> list[str]:
    return namespace.kubectl("get", "pods", "-o", "jsonpath={.items[*].metadata.name}").split()


def make_ready(namespace: Namespace, pod: str) -> None:
    """Its image was pulled long ago, when it was still there."""

    def backs_off() -> bool:
        return "ImagePullBackOff" in namespace.kubectl("get", "pod", pod, "-o", "jsonpath={.status}")

    eventually(backs_off)
    status = {
        "phase": "Running",
        "conditions": [{"type": "Ready", "status": "True"}, {"type": "ContainersReady", "status": "True"}],
        "containerStatuses": [
            {"name": "app", "image": "app", "imageID": "app", "ready": True, "started": True, "restartCount": 0,
             "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
        ],
    }  # fmt: skip
    namespace.kubectl("patch", "pod", pod, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))


def test_new_pods_that_cannot_start_are_taken_away_again(shop: Shop, people: People, namespace: Namespace) -> None:
    namespace.apply(workload("checkout", replicas=1, behaviour="broken"))
    eventually(lambda: pods(namespace))
    [pod] = pods(namespace)
    make_ready(namespace, pod)
    namespace.roll_out("deployment", "checkout")
    before = namespace.get("deployment", "checkout")["spec"]
    request = asks(people.mira, "resize-workload", shop.knows("checkout", environment=shop.staging), replicas=2)
    run = work_off(request, 90)
    assert run.state == ExecutionState.REVERTED, run.cause
    assert "The image cannot be pulled: 1 new pod" in run.cause
    assert namespace.get("deployment", "checkout")["spec"] == before
    assert pods(namespace) == [pod]


def test_what_somebody_else_changed_meanwhile_is_not_taken_back(
    checkout: Workload, people: People, namespace: Namespace
) -> None:
    request = asks(people.mira, "resize-workload", checkout, replicas=3)
    approves(people.jonas, request)
    verifying(request)
    namespace.kubectl("scale", "deployment/checkout", "--replicas=5")
    run = work_off(request)
    assert run.state == ExecutionState.NEEDS_HUMAN
    assert "Somebody else set 5 replicas after this run did." in run.cause
    assert namespace.get("deployment", "checkout")["spec"]["replicas"] == 5
    with pytest.raises(TooLate, match="Only a run that succeeded can be undone"):
        services.undo(actor=people.mira, request=fresh(request), reason="Back.", entrance="test")


def verifying(request: Request) -> None:
    """Let workers carry the run until its effect is there and is being watched."""

    def there() -> bool:
        if (claimed := claiming.claim()) is not None:
            execution.advance(claimed)
        return Execution.objects.get(request=request).state == ExecutionState.VERIFYING

    eventually(there)


def test_what_is_cancelled_after_the_effect_is_taken_back(
    checkout: Workload, people: People, namespace: Namespace
) -> None:
    before = namespace.get("deployment", "checkout")["spec"]
    request = asks(people.mira, "resize-workload", checkout, replicas=3)
    approves(people.jonas, request)
    verifying(request)
    services.cancel(actor=people.jonas, request=fresh(request))
    run = work_off(request)
    assert (run.state, run.cause) == (ExecutionState.REVERTED, "Jonas cancelled it.")
    assert namespace.get("deployment", "checkout")["spec"] == before


def test_an_undo_is_agreed_along_only_while_it_is_the_way_back(
    checkout: Workload, people: People, namespace: Namespace
) -> None:
    """Within 24 h the requester may go back at once; neither to a place nobody left, nor forth again."""

    def undo(request: Request) -> Request:
        return services.undo(actor=people.mira, request=fresh(request), reason="Enough seen.", entrance="test")

    grown = asks(people.mira, "resize-workload", checkout, replicas=3)
    approves(people.jonas, grown)
    assert work_off(grown).state == ExecutionState.SUCCEEDED
    namespace.kubectl("scale", "deployment/checkout", "--replicas=4")
    namespace.roll_out("deployment", "checkout")
    assert undo(grown).state == RequestState.AWAITING_APPROVAL
    with pytest.raises(TooLate, match=r"Request \d+ (is to undo|undid) this"):
        undo(grown)
    services.withdraw(actor=people.mira, request=fresh(grown.undone_by.get()))

    namespace.kubectl("scale", "deployment/checkout", "--replicas=3")
    namespace.roll_out("deployment", "checkout")
    undone = undo(grown)
    assert undone.state == RequestState.APPROVED
    assert work_off(undone).state == ExecutionState.SUCCEEDED
    assert namespace.get("deployment", "checkout")["spec"]["replicas"] == 2
    assert undo(undone).state == RequestState.AWAITING_APPROVAL


def test_a_restart_says_why_it_cannot_be_undone(shop: Shop, people: People, namespace: Namespace) -> None:
    namespace.apply(workload("checkout", replicas=1))
    namespace.roll_out("deployment", "checkout")
    request = asks(people.mira, "restart-workload", shop.knows("checkout", environment=shop.staging))
    assert work_off(request).state == ExecutionState.SUCCEEDED
    with pytest.raises(TooLate, match="A restart has nothing to undo"):
        services.undo(actor=people.mira, request=fresh(request), reason="Back.", entrance="test")


def test_only_an_approver_or_an_administrator_says_what_is_true(checkout: Workload, people: People) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    approves(people.jonas, request)
    for person in (people.leila, people.edda):
        with pytest.raises(
            NotAllowed,
            match="Another approver of the owning team than the requester, or an administrator, says what is true",
        ):
            services.resolve(actor=person, request=fresh(request), outcome="failed", note="Looks fine.")
    assert queries.count_up_to(queries.Filter(verb="access.refused"), 9) == 2


def test_nobody_ends_a_run_that_does_not_wait_for_a_person(checkout: Workload, people: People) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    approves(people.jonas, request)
    for state in set(ExecutionState) - {ExecutionState.NEEDS_HUMAN}:
        Execution.objects.update(state=state)
        for outcome in ("succeeded", "reverted", "failed"):
            with pytest.raises(TooLate, match="does not wait for a person"):
                services.resolve(actor=people.ines, request=fresh(request), outcome=outcome, note="I looked.")


@pytest.mark.parametrize("outcome", ["succeeded", "reverted", "failed"])
def test_who_looked_says_what_they_saw(checkout: Workload, people: People, outcome: str) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    approves(people.jonas, request)
    Execution.objects.update(state=ExecutionState.NEEDS_HUMAN)
    for wrong in ({"outcome": "cancelled", "note": "x"}, {"outcome": outcome, "note": " \x00"}):
        with pytest.raises(BadParams):
            services.resolve(actor=people.ines, request=fresh(request), **wrong)
    services.resolve(actor=people.ines, request=fresh(request), outcome=outcome, note="I looked: \ud800 it runs.")
    assert Execution.objects.get().state == outcome
    [event] = queries.events(queries.Filter(verb="execution.resolved"))
    assert (event.actor, event.summary) == ("ines", "I looked: ? it runs.")
