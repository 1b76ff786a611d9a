"""A size for a while goes back by itself, whoever else has one too, whatever is killed meanwhile, and over nobody else's change."""

import itertools
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import claiming, execution, grants, services, verification
from actions.errors import CannotPlanNow, TooLate
from actions.lifecycle import Lost
from actions.models import Execution, Grant, Request
from actions.plans import Plan, Target, TargetKind, plan_from
from actions.services import undo_of
from actions.states import ExecutionState, GrantState, RequestState
from actions.temporary import LEVEL, base_of, comes_back
from connectors.kubernetes import ObjectRef
from inventory.models import Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, asks, ended, fresh, work_off
from tests.cluster import Namespace, autoscaler, eventually, made_namespace, workload
from tests.crash.portal import Worker

pytestmark = pytest.mark.usefixtures("no_soak")


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made


@pytest.fixture
def target(shop: Shop, namespace: Namespace) -> Workload:
    """A Deployment of 2 in staging, where Mira may act without asking."""
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    return shop.knows("checkout", environment=shop.staging)


def begins(people: People, target: Workload, **params: Any) -> Grant:
    request = asks(people.mira, "resize-workload", target, for_minutes=30, **params)
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    grant = Grant.objects.get(request=request)
    assert grant.ends_at - grant.starts_at == timedelta(minutes=30)
    return grant


def ends(grant: Grant) -> Grant:
    """Its time is over, and the sweeper comes by until it has ended."""
    Grant.objects.filter(pk=grant.pk).update(ends_at=timezone.now(), next_try_at=None)

    def over() -> bool:
        grants.end_due()
        for request in Request.objects.exclude(ends=None):
            work_off(request)
        grant.refresh_from_db()
        return grant.state == GrantState.ENDED

    eventually(over)
    return grant


def works_until_it_soaks(request: Request) -> None:
    def soaks() -> bool:
        if (claimed := claiming.claim()) is not None:
            execution.advance(claimed)
        return verification.good_since(Execution.objects.get(request=request)) is not None

    eventually(soaks)


def replicas(namespace: Namespace) -> int:
    return int(namespace.get("deployment", "checkout")["spec"]["replicas"])


def planned(size: int, before: int, below: list[Plan]) -> Plan:
    """A temporary resize as it is stored, on top of those that are in force."""
    base = base_of({"replicas": before}, below)
    target = Target(
        TargetKind.WORKLOAD,
        "workload:1",
        "checkout",
        "checkout",
        "staging",
        "sandbox",
        ObjectRef("Deployment", "a", "b", "1"),
    )
    plan = Plan(
        "resize-workload", target, {"replicas": size}, "", {LEVEL: base.level}, (), (), (), "", base.values, "", (), (), 0, 0,
        lasts_seconds=60,
    )  # fmt: skip
    return plan_from(json.loads(plan.text))


@pytest.mark.parametrize("sizes", [[4], [4, 6], [4, 4], [4, 2], [4, 3, 5], [4, 6, 4], [5, 5, 5], [4, 3, 5, 2]], ids=str)
def test_whatever_the_order_the_latest_in_force_holds_and_the_last_to_end_brings_back_what_was_there(
    sizes: list[int],
) -> None:
    for order in itertools.permutations(range(len(sizes))):
        plans: list[Plan] = []
        for size in sizes:
            plans.append(planned(size, plans[-1].params["replicas"] if plans else 2, plans))
        held, present = dict(enumerate(plans)), sizes[-1]
        for index in order:
            ending = held.pop(index)
            back = comes_back(ending, list(held.values()), ["replicas"])
            present = present if back is None else back["replicas"]
            assert present == (sizes[max(held)] if held else 2), order


@pytest.mark.parametrize(
    ("sizes", "order", "after_each"),
    [
        ([4, 6], [0, 1], [6, 2]),  # the older one ends under the newer
        ([4, 4], [1, 0], [4, 2]),  # two want the same
        ([4, 3, 5], [1, 2, 0], [5, 4, 2]),
    ],
    ids=str,
)
def test_on_the_cluster_overlapping_ones_end_in_any_order(
    target: Workload, people: People, namespace: Namespace, sizes: list[int], order: list[int], after_each: list[int]
) -> None:
    held = [begins(people, target, replicas=size) for size in sizes]
    assert replicas(namespace) == sizes[-1]
    seen = []
    for index in order:
        ends(held[index])
        seen.append(replicas(namespace))
    assert seen == after_each
    assert set(Request.objects.exclude(ends=None).values_list("entrance", flat=True)) == {"schedule"}


def test_two_that_end_in_the_same_moment_do_not_leave_it_to_each_other(
    target: Workload, people: People, namespace: Namespace
) -> None:
    both = [begins(people, target, replicas=4), begins(people, target, replicas=6)]
    Grant.objects.update(ends_at=timezone.now())
    for grant in both:
        ends(grant)
    assert replicas(namespace) == 2


def test_an_end_that_counts_on_another_is_looked_at_again_when_that_one_is_over(
    target: Workload, people: People
) -> None:
    """Between the look and the request there is a plan to make, which takes long enough for the other one's time to run out."""
    older, younger = begins(people, target, replicas=4), begins(people, target, replicas=6)
    seen = grants._others(younger)
    Grant.objects.filter(pk=older.pk).update(ends_at=timezone.now())
    with pytest.raises(Lost), transaction.atomic():
        grants._unmoved(younger, seen)


def test_the_bounds_of_an_autoscaler_go_back_too(shop: Shop, people: People, namespace: Namespace) -> None:
    namespace.apply(workload("scaled", replicas=2), autoscaler("scaled", least=2, most=3))
    namespace.roll_out("deployment", "scaled")
    target = shop.knows("scaled", environment=shop.staging)
    first = begins(people, target, min_replicas=3, max_replicas=6)
    second = begins(people, target, min_replicas=2, max_replicas=10)

    def bounds() -> tuple[int, int]:
        spec = namespace.get("hpa", "scaled")["spec"]
        return spec["minReplicas"], spec["maxReplicas"]

    ends(second)
    assert bounds() == (3, 6)
    ends(first)
    assert bounds() == (2, 3)


def test_what_somebody_else_changed_since_is_left_alone_and_said(
    target: Workload, people: People, namespace: Namespace
) -> None:
    grant = begins(people, target, replicas=4)
    namespace.kubectl("scale", "deployment/checkout", "--replicas=5")
    grant = ends(grant)
    assert replicas(namespace) == 5
    assert grant.cause == "It was left as it is. Somebody else has changed it since: it has 5 replicas, not 4."
    assert not Request.objects.filter(ends=grant).exists()


def test_nothing_temporary_is_put_on_top_of_what_somebody_else_changed(
    target: Workload, people: People, namespace: Namespace
) -> None:
    begins(people, target, replicas=4)
    namespace.kubectl("scale", "deployment/checkout", "--replicas=5")
    with pytest.raises(CannotPlanNow, match="somebody else has changed the size since"):
        asks(people.mira, "resize-workload", target, replicas=6, for_minutes=5)
    for_good = asks(people.mira, "resize-workload", target, replicas=3)
    assert any(row["label"] == "Temporary" and row["worry"] for row in for_good.impact)


def test_a_change_after_the_end_was_planned_is_not_overwritten_either(
    target: Workload, people: People, namespace: Namespace
) -> None:
    grant = begins(people, target, replicas=4)
    Grant.objects.filter(pk=grant.pk).update(ends_at=timezone.now())
    grants.end_due()
    ending = Request.objects.get(ends=grant)
    namespace.kubectl("scale", "deployment/checkout", "--replicas=3")
    assert work_off(ending).state == ExecutionState.CANCELLED
    assert fresh(ending).state == RequestState.STALE
    grant.refresh_from_db()
    assert grant.state == GrantState.ACTIVE
    assert "it has 3 replicas, not 4" in ends(grant).cause
    assert replicas(namespace) == 3


def test_it_is_given_back_before_its_time_and_once_only(target: Workload, people: People, namespace: Namespace) -> None:
    grant = begins(people, target, replicas=4)
    with pytest.raises(TooLate, match="give it back"):
        undo_of(fresh(grant.request))
    grants.give_back(actor=people.mira, grant=grant)
    with pytest.raises(TooLate):
        grants.give_back(actor=people.mira, grant=grant)
    assert work_off(Request.objects.get(ends=grant)).state == ExecutionState.SUCCEEDED
    assert replicas(namespace) == 2
    with pytest.raises(TooLate, match="that is over"):
        undo_of(fresh(grant.request))


def test_an_end_waits_for_a_run_on_top_of_it_that_may_yet_fail(
    target: Workload, people: People, namespace: Namespace, settings: Settings
) -> None:
    """If the older one ended meanwhile, the younger run's way back would put its size there for ever."""
    older = begins(people, target, replicas=3)
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 4})
    request = asks(people.mira, "resize-workload", target, replicas=4, for_minutes=30)
    works_until_it_soaks(request)
    Grant.objects.filter(pk=older.pk).update(ends_at=timezone.now())
    grants.end_due()
    older.refresh_from_db()
    assert (older.state, older.cause) == (GrantState.ACTIVE, "Another run has the target. It ends after that.")
    services.cancel(actor=people.mira, request=fresh(request))
    assert work_off(request).state == ExecutionState.REVERTED
    assert not Grant.objects.filter(request=request).exclude(state=GrantState.ENDED).exists()
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 0})
    ends(older)
    assert replicas(namespace) == 2


def test_it_ends_on_time_though_the_portal_was_dead_when_its_time_came(
    target: Workload, people: People, namespace: Namespace, endpoints: Endpoints, tmp_path: Any
) -> None:
    worker = Worker(endpoints, tmp_path, AFTERDECK_SOAK_SECONDS="0")
    try:
        request = asks(people.mira, "resize-workload", target, replicas=4, for_minutes=30)
        assert ended(request).state == ExecutionState.SUCCEEDED
        worker.kill()
        Grant.objects.filter(request=request).update(ends_at=timezone.now() - timedelta(seconds=1))
        worker.start_again()
        eventually(lambda: Request.objects.filter(ends__request=request).exists())
        worker.kill()  # in the middle of the end
        worker.start_again()
        eventually(lambda: Grant.objects.filter(request=request, state=GrantState.ENDED).exists())
    finally:
        worker.remove()
    assert replicas(namespace) == 2
    assert Request.objects.filter(ends__request=request, execution__state=ExecutionState.SUCCEEDED).count() == 1
