"""The end of what was agreed for a while: nobody can stop it, keep it, or make it last, and what fails is tried again."""

from datetime import timedelta

import pytest
from django.utils import timezone

from actions import claiming, grants, journal, lifecycle, services
from actions.admission import stored_plan
from actions.errors import NotAllowed, TooLate
from actions.models import Execution, Grant, Hold, JournalEntry, Request
from actions.states import ExecutionState as E
from actions.states import GrantState
from audit.events import SYSTEM
from inventory.models import Workload
from tests.characters import People, Shop, asks, fresh, work_off
from tests.cluster import Namespace, workload

pytestmark = pytest.mark.usefixtures("no_soak")


@pytest.fixture
def staging(shop: Shop, namespace: Namespace) -> Workload:
    """A Deployment of 2 in staging, where Mira may act without asking."""
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    return shop.knows("checkout", environment=shop.staging)


@pytest.fixture
def for_a_while(people: People, staging: Workload) -> Request:
    """Three replicas for an hour, where two were."""
    request = asks(people.mira, "resize-workload", staging, replicas=3, for_minutes=60)
    work_off(request)
    return fresh(request)


def its_end(request: Request) -> Request:
    Grant.objects.filter(request=request).update(ends_at=timezone.now() - timedelta(seconds=1))
    grants.end_due()
    return Request.objects.get(ends__request=request)


def test_the_end_cannot_be_withdrawn_cancelled_or_undone(people: People, for_a_while: Request) -> None:
    end = its_end(for_a_while)
    with pytest.raises(NotAllowed):
        services.withdraw(actor=people.mira, request=end)
    with pytest.raises(NotAllowed):
        services.cancel(actor=people.mira, request=end)
    work_off(end)
    assert Grant.objects.get(request=for_a_while).state == GrantState.ENDED
    with pytest.raises(TooLate, match="agreed for a while"):
        services.undo(actor=people.mira, request=fresh(end), reason="I liked it.", entrance="test")


def test_an_end_that_nobody_is_sure_of_is_tried_again(for_a_while: Request) -> None:
    end = its_end(for_a_while)
    run = claiming.claim(only=Execution.objects.get(request=end).pk)
    assert run is not None
    assert claiming.start(run)
    lifecycle.move(run, to=E.NEEDS_HUMAN, actor=SYSTEM, summary="nobody knows", changes={"lease_until": None})
    grant = Grant.objects.get(request=for_a_while)
    assert (grant.state, grant.cause) == (GrantState.ACTIVE, "nobody knows")
    assert grant.next_try_at is not None


def test_what_may_have_begun_for_a_while_ends_even_if_nobody_ever_looks(people: People, staging: Workload) -> None:
    request = asks(people.mira, "resize-workload", staging, replicas=3, for_minutes=60)
    run = claiming.claim()
    assert run is not None
    assert claiming.start(run)
    journal.intend(run, JournalEntry.Phase.APPLY, stored_plan(request).steps[0], actor=SYSTEM)
    Execution.objects.filter(pk=run.pk).update(
        crashes=claiming.MAX_CRASHES, lease_until=timezone.now(), run_after=timezone.now()
    )
    work_off(request)
    assert Execution.objects.get(request=request).state == E.NEEDS_HUMAN
    assert Grant.objects.get(request=request).state == GrantState.ACTIVE
    services.resolve(actor=people.jonas, request=fresh(request), outcome="succeeded", note="I see three.")
    assert Hold.objects.count() == 0
    assert Grant.objects.get(request=request).state == GrantState.ACTIVE


def test_what_somebody_had_who_left_ends_before_its_time(people: People, for_a_while: Request) -> None:
    people.mira.is_active = False
    people.mira.save()
    grants.end_due()
    end = Request.objects.get(ends__request=for_a_while)
    work_off(end)
    assert Grant.objects.get(request=for_a_while).state == GrantState.ENDED
