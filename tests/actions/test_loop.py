"""The whole loop on a real cluster: ask, agree, run, verify, take back."""

import pytest

from actions import services
from actions.errors import CannotPlanNow, PlanChanged, VoteDoesNotCount
from actions.states import ExecutionState, RequestState
from audit import queries
from inventory.models import Workload
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, autoscaler, workload


def verbs(request_id: int) -> list[str]:
    return [event.verb for event in reversed(queries.events_of_request(request_id))]


def test_an_owner_restarts_a_staging_service_at_once(shop: Shop, people: People, namespace: Namespace) -> None:
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    request = asks(people.mira, "restart-workload", shop.knows("checkout", environment=shop.staging))
    assert request.state == RequestState.APPROVED
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    template = namespace.get("deployment", "checkout")["spec"]["template"]
    assert template["metadata"]["annotations"]["kubectl.kubernetes.io/restartedAt"] == run.stamp
    effects = namespace.effects()
    assert [effect["impersonatedUser"]["username"] for effect in effects] == ["mira"]
    assert verbs(request.pk) == [
        "request.submitted", "policy.ruled", "request.approved", "execution.queued", "execution.started", "plan.confirmed",
        "step.intended", "step.succeeded", "verification.started", "execution.succeeded",
    ]  # fmt: skip


def test_production_waits_for_one_approver_who_is_not_the_requester(checkout: Workload, people: People) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    assert request.state == RequestState.AWAITING_APPROVAL
    for same_person in (people.mira, people.mira_admin):
        with pytest.raises(VoteDoesNotCount, match=r"You cannot approve this: you asked for it\. Ines and Jonas can\."):
            approves(same_person, request)
    with pytest.raises(VoteDoesNotCount, match="not an approver"):
        approves(people.leila, request)
    by_jonas = asks(people.jonas, "restart-workload", checkout)
    with pytest.raises(VoteDoesNotCount, match="This account is not an approver"):
        approves(people.mira, by_jonas)  # her other account is one; what that may do, it does itself
    approves(people.jonas, request)
    assert work_off(request).state == ExecutionState.SUCCEEDED
    assert verbs(request.pk).count("vote.refused") == 3


def test_a_restart_whose_image_is_gone_is_taken_back(shop: Shop, people: People, namespace: Namespace) -> None:
    namespace.apply(workload("renderer", behaviour="image-gone"))
    namespace.roll_out("deployment", "renderer")
    before = namespace.get("deployment", "renderer")["spec"]["template"]
    request = asks(people.mira, "restart-workload", shop.knows("renderer", environment=shop.staging))
    run = work_off(request, 90)
    assert run.state == ExecutionState.REVERTED, run.cause
    assert "image cannot be pulled" in run.cause
    assert namespace.get("deployment", "renderer")["spec"]["template"] == before
    assert len(namespace.effects()) == 2


def test_an_approval_does_not_survive_a_changed_plan(checkout: Workload, people: People, namespace: Namespace) -> None:
    request = asks(people.mira, "resize-workload", checkout, replicas=3)
    namespace.kubectl("scale", "deployment/checkout", "--replicas=4")
    namespace.roll_out("deployment", "checkout")
    approves(people.jonas, request)
    run = work_off(request)
    assert (run.state, fresh(request).state) == (ExecutionState.CANCELLED, RequestState.STALE)
    assert namespace.effects() == []


def test_resizing_moves_the_bounds_of_the_autoscaler_that_owns_the_replicas(
    shop: Shop, people: People, namespace: Namespace
) -> None:
    namespace.apply(workload("checkout", replicas=3), autoscaler("checkout", least=3, most=6))
    namespace.roll_out("deployment", "checkout")
    target = shop.knows("checkout", environment=shop.staging)
    with pytest.raises(CannotPlanNow, match="would overwrite a number set by hand"):
        asks(people.mira, "resize-workload", target, replicas=5)
    request = asks(people.mira, "resize-workload", target, min_replicas=2, max_replicas=2)
    assert work_off(request, 90).state == ExecutionState.SUCCEEDED
    spec = namespace.get("hpa", "checkout")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 2)
    assert namespace.get("deployment", "checkout")["spec"]["replicas"] == 2
    undone = services.undo(actor=people.mira, request=fresh(request), reason="Enough seen.", entrance="test")
    assert work_off(undone, 90).state == ExecutionState.SUCCEEDED
    spec = namespace.get("hpa", "checkout")["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (3, 6)


def test_nothing_is_submitted_when_the_plan_is_not_the_one_that_was_looked_at(
    checkout: Workload, people: People
) -> None:
    seen = services.preview(actor=people.mira, action="resize-workload", target=checkout.pk, params={"replicas": 3})
    with pytest.raises(PlanChanged):
        services.submit(
            actor=people.mira, action="resize-workload", target=checkout.pk, params={"replicas": 4}, reason="Load.",
            entrance="test", digest=seen.plan.digest,
        )  # fmt: skip


def test_what_another_portal_wrote_is_not_taken_for_ours(shop: Shop, people: People, namespace: Namespace) -> None:
    """Rows are numbered from 1 in every database; a restored one, or a second portal, must not find its work done already."""
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    request = asks(people.mira, "restart-workload", shop.knows("checkout", environment=shop.staging))
    namespace.kubectl("annotate", "deployment/checkout", f"afterdeck.dev/execution={fresh(request).execution.pk}")
    namespace.roll_out(
        "deployment", "checkout"
    )  # an annotation makes a new generation, which the controller has to see first
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert len(namespace.effects()) == 1
