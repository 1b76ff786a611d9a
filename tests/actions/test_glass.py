"""Breaking glass is narrow, loud and owed; a denial that may be overridden is, by whom the policy names."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone

from actions import counting, debts, scheduled, services, sweeping
from actions.errors import BadParams, Denied, NotAllowed, TooLate, VoteDoesNotCount
from actions.models import Debt, Execution, Request
from actions.states import ExecutionState, RequestState
from actions.terms import Terms
from approvals.models import Absence, Asked, Round
from audit.models import EventRow
from inventory import incidents
from inventory.models import Incident, Person, Service, Workload
from sandbox.stack import Endpoints
from tests.breaking import GLASS, POLICY, asks_on, glass_policy, opens_incident
from tests.characters import People, Shop, approves, fresh, work_off
from tests.cluster import Namespace, made_namespace, workload

__all__ = ["glass_policy"]
pytestmark = pytest.mark.usefixtures("glass_policy")


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("checkout", replicas=1))
        made.roll_out("deployment", "checkout")
        yield made


@pytest.fixture
def checkout(shop: Shop, namespace: Namespace) -> Workload:
    namespace.roll_out("deployment", "checkout")
    return shop.knows("checkout")


@pytest.fixture
def broken(people: People, checkout: Workload) -> Request:
    opens_incident(people)
    return asks_on(people.mira, checkout, GLASS)


def recorded(verb: str) -> list[str]:
    return [f"{row.actor}: {row.summary}" for row in EventRow.objects.filter(verb=verb).order_by("id")]


def refused(person: Person, target: Workload) -> str:
    with pytest.raises(Denied) as denied:
        asks_on(person, target, GLASS)
    assert denied.value.rules == ["break-glass"]
    made = Request.objects.get(pk=denied.value.request_id)
    assert (made.state, made.breaks_glass) == (RequestState.DENIED, False)
    assert not Execution.objects.filter(request=made).exists()
    return str(denied.value)


def says(person: Person, request: Request, accept: bool = True, note: str = "") -> Debt:
    return debts.review(actor=person, request=fresh(request), accept=accept, digest=request.digest, note=note)


def does_not_count(person: Person, request: Request, accept: bool = True, note: str = "") -> str:
    with pytest.raises(VoteDoesNotCount) as refusal:
        says(person, request, accept, note)
    return refusal.value.rule


def test_glass_breaks_only_where_the_policy_offers_it(people: People, checkout: Workload) -> None:
    assert refused(people.mira, checkout) == "No rule of the policy lets you break glass here."
    assert not Debt.objects.exists()
    assert recorded("request.denied") == ["Afterdeck: No rule of the policy lets you break glass here."]
    opens_incident(people)
    with pytest.raises(Denied, match="Never"):  # nor for what nobody could have agreed to
        asks_on(people.mira, checkout, Terms("CHG-2", break_glass=True))


def test_an_incident_of_ones_own_breaks_no_glass(people: People, checkout: Workload) -> None:
    """What may be done without asking rests on what somebody else has said, under whatever account."""
    incident = opens_incident(people)
    for account in (people.mira, people.mira_admin):
        Incident.objects.filter(pk=incident.pk).update(told_by=account)
        refused(people.mira, checkout)
    Incident.objects.filter(pk=incident.pk).update(told_by=people.kofi)
    assert asks_on(people.mira, checkout, GLASS).breaks_glass


def test_it_takes_a_look_at_the_plan(people: People, checkout: Workload) -> None:
    opens_incident(people)
    with pytest.raises(BadParams, match="Preview it first"):
        services.submit(
            actor=people.mira, action="restart-workload", target=checkout.pk, params={}, reason="r", entrance="test", terms=GLASS
        )  # fmt: skip
    assert not Request.objects.exists()


def test_it_acts_at_once_and_is_told_and_owed(people: People, broken: Request) -> None:
    assert (broken.state, broken.round, broken.breaks_glass) == (RequestState.APPROVED, None, True)
    assert broken.incident is not None
    debt = Debt.objects.get()
    assert (debt.request, debt.identity, debt.round.kind) == (broken, people.mira.identity, Round.Kind.REVIEW)
    assert timedelta(hours=23) < debt.due_at - timezone.now() < timedelta(hours=24)
    asked = set(Asked.objects.filter(round=debt.round).values_list("identity", flat=True))
    assert asked == {people.jonas.identity, people.ines.identity}
    assert recorded("glass.broken") == ["mira: acts before anybody agrees: INC-7 is open."]
    assert '"set_aside":["somebody-looks"]' in EventRow.objects.get(verb="glass.broken").text


def test_a_run_is_not_stopped_by_the_debt_it_made(broken: Request) -> None:
    run = work_off(broken)
    assert run.state == ExecutionState.SUCCEEDED, run.cause


def test_a_run_is_stopped_when_its_incident_closed_before_it_began(people: People, broken: Request) -> None:
    incidents.close(actor=people.kofi, reference="INC-7", now=timezone.now())
    run = work_off(broken)
    assert (run.state, fresh(broken).state) == (ExecutionState.CANCELLED, RequestState.STALE)
    assert run.cause.startswith("INC-7 was closed before it began, so there is no glass to break any more.")


def test_what_went_stale_before_it_ran_keeps_nobody_from_the_next(
    people: People, checkout: Workload, broken: Request
) -> None:
    incidents.close(actor=people.kofi, reference="INC-7", now=timezone.now())
    work_off(broken)
    incidents.report(
        actor=people.kofi, told=incidents.Report("INC-8", "It is not over", ["checkout"]), now=timezone.now()
    )
    assert asks_on(people.mira, checkout, GLASS).breaks_glass
    assert says(people.jonas, broken).accepted  # it is looked at all the same


def test_the_next_is_refused_until_somebody_has_looked_under_every_account(
    people: People, checkout: Workload, broken: Request
) -> None:
    why = "You have broken glass before, and nobody has reviewed that yet. Ask an approver to look at it first."
    assert refused(people.mira, checkout) == refused(people.mira_admin, checkout) == why
    says(people.jonas, broken)
    assert asks_on(people.mira_admin, checkout, GLASS).breaks_glass
    assert refused(people.mira, checkout) == why


def test_accounts_that_are_joined_later_owe_together(people: People, checkout: Workload) -> None:
    opens_incident(people)
    Person.objects.filter(pk=people.mira_admin.pk).update(same_person_as=None)
    asks_on(Person.objects.get(pk=people.mira_admin.pk), checkout, GLASS)
    Person.objects.filter(pk=people.mira_admin.pk).update(same_person_as=people.mira)
    refused(people.mira, checkout)


def test_only_somebody_else_who_was_asked_settles_it(people: People, broken: Request) -> None:
    assert does_not_count(people.mira, broken) == does_not_count(people.mira_admin, broken) == "four-eyes"
    assert does_not_count(people.leila, broken) == does_not_count(people.kofi, broken) == "only-who-was-asked"
    assert does_not_count(people.jonas, broken, accept=False) == "a-no-has-a-reason"
    assert len(recorded("vote.refused")) == 5
    assert Debt.objects.get().settled_at is None
    debt = says(people.jonas, broken, accept=False, note="It could have waited.")
    assert (debt.accepted, Debt.objects.get().accepted) == (False, False)
    assert recorded("debt.settled") == ["jonas: it was not right to act at once: It could have waited."]
    assert does_not_count(people.ines, broken) == "round-closed"


def test_whoever_was_stood_in_for_cannot_review_it_any_more(people: People, checkout: Workload, tmp_path: Path) -> None:
    (tmp_path / "glass.yaml").write_text(POLICY.replace("break_glass: {count: 1", "break_glass: {count: 2"))
    opens_incident(people)
    now, root = timezone.now(), Person.objects.create(username="root", display_name="Root")
    Absence.objects.create(person=people.jonas, stand_in=root, starts_at=now, ends_at=now + timedelta(days=1))
    people.jonas.groups.create(name="office").user_set.add(root)
    broken = asks_on(people.mira, checkout, GLASS)
    debt = says(root, broken)
    assert recorded("vote.cast")[0].endswith(", instead of Jonas")
    assert counting.place_of(people.kofi, debt.round, broken.service, timezone.now()).left == ("Ines",)


def test_what_broke_no_glass_has_nothing_to_review(people: People, checkout: Workload) -> None:
    request = asks_on(people.mira, checkout, Terms("SUP-1"))
    assert (request.ticket, request.state) == ("SUP-1", RequestState.AWAITING_APPROVAL)
    with pytest.raises(TooLate):
        says(people.jonas, request)


def test_a_late_review_is_told_once_and_administrators_are_asked_too(people: People, broken: Request) -> None:
    sweeping.sweep()
    assert recorded("debt.overdue") == []
    Debt.objects.update(due_at=timezone.now() - timedelta(minutes=1))
    Round.objects.update(opened_at=timezone.now() - timedelta(hours=25), escalates_at=timezone.now())
    sweeping.sweep()
    sweeping.sweep()
    [said] = recorded("debt.overdue")
    assert said.startswith("Afterdeck: Mira broke glass, and nobody has reviewed it; that was due ")
    assert says(people.kofi, broken).accepted
    assert does_not_count(people.mira_admin, broken) == "four-eyes"


def test_a_freeze_is_overridden_by_whom_it_names_and_nothing_else_is(people: People, checkout: Workload) -> None:
    with pytest.raises(Denied, match="Nothing changes today"):
        asks_on(people.mira, checkout, Terms("CHG-1"))
    with pytest.raises(Denied, match="Never"):
        asks_on(people.mira, checkout, Terms("CHG-2", override=True))
    request = asks_on(people.mira, checkout, Terms("CHG-1", override=True))
    assert (request.state, request.overrides, request.shape) == (RequestState.AWAITING_APPROVAL, True, "")
    approves(people.jonas, request)
    assert fresh(request).state == RequestState.AWAITING_APPROVAL
    approves(people.kofi, request)
    assert work_off(request).state == ExecutionState.SUCCEEDED
    ruled = EventRow.objects.filter(verb="policy.ruled", request_id=request.pk).get()
    assert '"set_aside":["frozen by override"]' in ruled.text


def investigated(target: Workload) -> None:
    """From now on another rule denies it, which may be overridden too."""
    Service.objects.filter(pk=target.service_id).update(tier=5)


STALE = "The policy denies by now what nobody agreed to set aside. Nothing is touched that is being looked into."


def test_an_override_of_one_denial_sets_no_other_aside(people: People, checkout: Workload) -> None:
    tonight = timezone.now() + timedelta(hours=5)
    request = asks_on(people.mira, checkout, Terms("CHG-1", not_before=tonight, override=True))
    for person in (people.jonas, people.kofi):
        approves(person, request)
    investigated(checkout)
    with pytest.raises(NotAllowed, match=STALE):
        scheduled.start_now(actor=people.jonas, request=fresh(request))
    Request.objects.update(not_before=timezone.now())
    Execution.objects.update(run_after=timezone.now())
    run = work_off(request)
    assert (run.state, fresh(request).state, run.cause) == (ExecutionState.CANCELLED, RequestState.STALE, STALE)


def test_broken_glass_sets_nothing_aside_that_its_record_does_not_say(checkout: Workload, broken: Request) -> None:
    investigated(checkout)
    run = work_off(broken)
    assert (run.state, fresh(broken).state, run.cause) == (ExecutionState.CANCELLED, RequestState.STALE, STALE)
