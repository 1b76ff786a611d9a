"""Who decides while somebody is away, in one place and nobody else's; who is asked when nobody answers; and saying "I am on it"."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import claiming, claims, confirmation, queries, services, sweeping
from actions.errors import NotAllowed, TooLate, VoteDoesNotCount
from actions.models import Execution, Request
from actions.queue import Queue
from actions.states import ExecutionState, RequestState
from approvals import absences
from approvals.models import Absence, Asked, Round, Vote
from audit import queries as audit
from inventory.models import Person, Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, made_namespace, workload

R = RequestState


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("checkout"))
        made.roll_out("deployment", "checkout")
        yield made
        assert made.effects() == []


@pytest.fixture
def checkout(shop: Shop) -> Workload:
    return shop.knows("checkout")


def rules(settings: Settings, folder: Path, needs: str) -> None:
    (folder / "rules.yaml").write_text(f'- {{id: asking, when: "true", needs: {needs}, because: Ask.}}')
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": folder})


@pytest.fixture
def two_of_them(settings: Settings, tmp_path: Path) -> None:
    rules(settings, tmp_path, "{count: 2, of: owning-team-approvers}")


def away(person: Person, stand_in: Person) -> Absence:
    """From now on, for a day."""
    now = timezone.now()
    return absences.announce(
        actor=person, starts_at=now, ends_at=now + timedelta(days=1), stand_in=stand_in, note="", now=now
    )


def back(person: Person) -> None:
    [absence] = Absence.objects.filter(person=person, ended_at=None)
    absences.end(actor=person, person_ids={person.pk}, absence_id=absence.pk, now=timezone.now())


def recorded(verb: str) -> list[str]:
    return [f"{event.actor}: {event.summary}" for event in audit.events(audit.Filter(verb=verb))]


def refused(person: Person, request: Request) -> str:
    with pytest.raises(VoteDoesNotCount) as refusal:
        approves(person, request)
    return refusal.value.rule


@pytest.fixture
def nina(people: People) -> Person:
    """A colleague who decides about nothing herself."""
    nina = Person.objects.create_user("nina", display_name="Nina")
    nina.groups.add(*people.mira.groups.all())
    return nina


def test_whoever_stands_in_sees_it_and_decides_instead(people: People, nina: Person, checkout: Workload) -> None:
    nina.groups.clear()
    nina.groups.create(name="office").user_set.add(people.jonas)
    away(people.jonas, nina)
    request = asks(people.mira, "restart-workload", checkout)
    assert queries.request_for(nina, request.pk) is not None
    approves(nina, request)
    assert fresh(request).state == R.APPROVED
    [vote] = Vote.objects.all()
    assert (vote.voter, vote.identity, vote.instead_of) == (nina, nina.identity, people.jonas.identity)
    assert recorded("vote.cast") == [f"nina: approve, digest {request.digest[:8]}, instead of Jonas"]


def test_whoever_stands_in_sees_what_the_later_account_of_a_human_was_asked(
    people: People, nina: Person, checkout: Workload
) -> None:
    """Which of two accounts came first says nothing about which of them is the other's."""
    nina.groups.clear()
    nina.groups.create(name="office").user_set.add(people.jonas)
    later = Person.objects.create(username="jonas-new", display_name="Jonas")
    later.groups.add(*people.jonas.groups.all())
    Person.objects.filter(pk=people.jonas.pk).update(same_person_as=later)
    jonas = Person.objects.get(pk=people.jonas.pk)
    assert jonas.identity == later.pk > jonas.pk
    away(jonas, nina)
    request = asks(people.mira, "restart-workload", checkout)
    assert queries.request_for(nina, request.pk) is not None
    approves(nina, request)
    assert fresh(request).state == R.APPROVED


def test_nobody_stands_in_before_it_begins_or_after_it_has_ended(
    people: People, nina: Person, checkout: Workload
) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    assert refused(nina, request) == "only-who-was-asked"
    away(people.jonas, nina)
    back(people.jonas)
    assert refused(nina, request) == "only-who-was-asked"


def test_whoever_stands_in_for_one_account_decides_nothing_that_another_of_it_could(
    people: People, nina: Person, checkout: Workload, settings: Settings, tmp_path: Path
) -> None:
    """Jonas administers with a second account; the one that is away approves for its team only."""
    rules(settings, tmp_path, "{count: 1, of: administrators}")
    admin = Person.objects.create(username="jonas-admin", is_superuser=True, same_person_as=people.jonas)
    request, held = (asks(people.mira, "restart-workload", checkout) for _ in range(2))
    assert refused(people.jonas, request) == "still-an-approver"
    away(people.jonas, nina)
    assert Queue(nina).page().waiting == ()
    assert refused(nina, request) == "only-who-was-asked"
    back(people.jonas)
    Absence.objects.create(
        person=admin, stand_in=nina, starts_at=timezone.now(), ends_at=timezone.now() + timedelta(days=1)
    )
    nina.groups.create(name="night-shift").user_set.add(admin)
    assert [each.request for each in Queue(nina).page().waiting] == [request, held]
    for each in (request, held):
        approves(nina, each)
    assert confirmation.objection(fresh(held)) == ""
    Person.objects.filter(pk=admin.pk).update(is_superuser=False)  # and Jonas's other account becomes one instead
    Person.objects.filter(pk=people.jonas.pk).update(is_superuser=True)
    assert "no longer an approver" in confirmation.objection(fresh(held))


def test_one_place_is_filled_once_whoever_of_the_two_is_first(
    people: People, nina: Person, checkout: Workload, two_of_them: None
) -> None:
    first, second = (asks(people.mira, "restart-workload", checkout) for _ in range(2))
    away(people.jonas, nina)
    approves(nina, first)
    approves(people.jonas, second)
    assert refused(people.jonas, first) == refused(nina, second) == "one-vote"
    assert fresh(first).state == fresh(second).state == R.AWAITING_APPROVAL
    for request in (first, second):
        approves(people.ines, request)
        assert fresh(request).state == R.APPROVED


def test_an_approver_who_stands_in_for_another_is_still_one_person(
    people: People, checkout: Workload, two_of_them: None
) -> None:
    away(people.jonas, people.ines)
    request = asks(people.mira, "restart-workload", checkout)
    approves(people.ines, request)
    assert Vote.objects.get().instead_of is None
    assert refused(people.ines, request) == "one-vote"
    assert fresh(request).state == R.AWAITING_APPROVAL


def test_the_requester_stands_in_for_nobody_and_nobody_for_the_requester(
    people: People, nina: Person, checkout: Workload
) -> None:
    away(people.jonas, people.mira)
    away(people.ines, nina)
    assert refused(people.mira, asks(people.mira, "restart-workload", checkout)) == "four-eyes"
    assert refused(people.mira_admin, asks(people.mira, "restart-workload", checkout)) == "four-eyes"
    back(people.ines)
    away(people.ines, nina)
    assert refused(nina, asks(people.ines, "restart-workload", checkout)) == "only-who-was-asked"


def test_a_place_is_not_passed_on(people: People, nina: Person, checkout: Workload) -> None:
    now = timezone.now()
    for person, stand_in in ((people.jonas, people.leila), (people.leila, nina)):  # as rows that no page makes
        Absence.objects.create(person=person, stand_in=stand_in, starts_at=now, ends_at=now + timedelta(days=1))
    people.leila.groups.add(*people.jonas.groups.all().filter(name="payments"))
    request = asks(people.mira, "restart-workload", checkout)
    assert refused(nina, request) == "only-who-was-asked"


@pytest.mark.parametrize("what", ["left the approvers", "has no account", "stand-in has no account"])
def test_what_was_decided_for_somebody_holds_as_long_as_they_may_decide(
    people: People, nina: Person, checkout: Workload, what: str
) -> None:
    away(people.jonas, nina)
    request = asks(people.mira, "restart-workload", checkout)
    open_one = asks(people.mira, "restart-workload", checkout)
    approves(nina, request)
    if what == "left the approvers":
        people.jonas.groups.remove(checkout.service.team.approvers)  # type: ignore[union-attr]  # it has one
    else:
        who = people.jonas if what == "has no account" else nina
        Person.objects.filter(pk=who.pk).update(is_active=False)
    run = work_off(request)
    assert (run.state, fresh(request).state) == (ExecutionState.CANCELLED, R.STALE)
    assert "no longer an approver" in run.cause
    assert refused(Person.objects.get(pk=nina.pk), open_one) == "only-who-was-asked"


def test_whoever_left_one_group_does_not_fill_its_place_because_of_another(
    people: People, checkout: Workload, settings: Settings, tmp_path: Path
) -> None:
    rules(settings, tmp_path, "[{count: 1, of: owning-team-approvers}, {count: 1, of: 'group:security'}]")
    security = people.jonas.groups.create(name="security")
    request = asks(people.mira, "restart-workload", checkout)
    people.jonas.groups.remove(security)
    approves(people.jonas, request)
    approves(people.ines, request)
    assert fresh(request).state == R.AWAITING_APPROVAL


def test_two_accounts_that_turn_out_to_be_one_human_are_one_vote(
    people: People, checkout: Workload, two_of_them: None
) -> None:
    waiting, agreed = (asks(people.mira, "restart-workload", checkout) for _ in range(2))
    approves(people.jonas, waiting)
    for person in (people.jonas, people.ines):
        approves(person, agreed)
    Person.objects.filter(pk=people.jonas.pk).update(same_person_as=people.ines)
    assert refused(Person.objects.get(pk=people.ines.pk), waiting) == "one-vote"
    run = work_off(agreed)
    assert (run.state, fresh(agreed).state) == (ExecutionState.CANCELLED, R.STALE)


def test_whoever_was_on_call_agreed_also_when_their_shift_has_ended(
    people: People, nina: Person, checkout: Workload, settings: Settings, tmp_path: Path
) -> None:
    rules(settings, tmp_path, "{count: 1, of: on-call}")
    team = checkout.service.team
    assert team is not None
    now = timezone.now()
    shift = team.shifts.create(person=nina, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1))
    request = asks(people.mira, "resize-workload", checkout, replicas=3)
    approves(nina, request)
    shift.delete()
    team.shifts.create(person=people.ines, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(hours=1))
    run = claiming.claim()
    assert run is not None
    assert confirmation.confirm(run) == confirmation.Answer()


# Asking others, and being on it


LATER = "{count: 1, of: owning-team-approvers, escalate: {after_minutes: 30, to: administrators}}"


def test_when_nobody_answers_others_are_asked_too(
    people: People, checkout: Workload, settings: Settings, tmp_path: Path
) -> None:
    rules(settings, tmp_path, LATER)
    root = Person.objects.create(username="root", display_name="Root", is_superuser=True)
    request = asks(people.mira, "restart-workload", checkout)
    sweeping.sweep()
    assert (refused(people.kofi, request), recorded("request.escalated")) == ("only-who-was-asked", [])
    Person.objects.filter(pk=root.pk).update(same_person_as=people.mira)  # that it is hers too is found out meanwhile
    then = timezone.now() - timedelta(minutes=31)
    Round.objects.update(opened_at=then, escalates_at=then + timedelta(minutes=30))
    sweeping.sweep()
    sweeping.sweep()
    assert recorded("request.escalated") == [
        "Afterdeck: nobody had answered after 30 min, so administrators are asked too"
    ]
    [event] = audit.events(audit.Filter(verb="request.escalated"))
    assert '"people":["kofi"]' in event.text
    assert set(Asked.objects.values_list("identity", flat=True)) == {
        each.identity for each in (people.jonas, people.ines, people.kofi)
    }
    assert refused(Person.objects.get(pk=root.pk), request) == "four-eyes"
    approves(people.kofi, request)
    assert fresh(request).state == R.APPROVED


def test_a_question_that_cannot_be_asked_of_others_keeps_neither_other_questions_nor_alarms_waiting(
    people: People, checkout: Workload, settings: Settings, tmp_path: Path
) -> None:
    rules(settings, tmp_path, LATER)
    good, agreed, broken = (asks(people.mira, "restart-workload", checkout) for _ in range(3))
    approves(people.jonas, agreed)
    hour_ago = timezone.now() - timedelta(hours=1)
    Execution.objects.update(run_after=hour_ago)
    Round.objects.filter(request__in=[good, broken]).update(escalates_at=hour_ago, opened_at=hour_ago)
    Round.objects.filter(request=broken).update(requirements=[{"rule": "of an older portal"}])
    sweeping.sweep()
    assert [event.request_id for event in audit.events(audit.Filter(verb="request.escalated"))] == [good.pk]
    assert len(recorded("execution.overdue")) == 1


def test_nobody_else_is_asked_about_what_has_expired(
    people: People, checkout: Workload, settings: Settings, tmp_path: Path
) -> None:
    rules(settings, tmp_path, LATER.replace("escalate:", "expires_minutes: 40, escalate:"))
    request = asks(people.mira, "restart-workload", checkout)
    asked = fresh(request).round
    assert asked is not None
    assert asked.expires_at - asked.opened_at == timedelta(minutes=40)
    then = timezone.now() - timedelta(minutes=41)  # while no sweeper came by
    Round.objects.update(
        opened_at=then, escalates_at=then + timedelta(minutes=30), expires_at=then + timedelta(minutes=40)
    )
    sweeping.sweep()
    assert (fresh(request).state, recorded("request.escalated")) == (R.EXPIRED, [])


def test_being_on_it_is_said_by_one_who_can_decide_and_keeps_nobody_from_deciding(
    people: People, checkout: Workload
) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    for person in (people.mira, people.leila):
        with pytest.raises(NotAllowed):
            claims.claim(actor=person, request=fresh(request))
    claims.claim(actor=people.jonas, request=fresh(request))
    assert claims.claimer_of(fresh(request).round, timezone.now()) == people.jonas
    with pytest.raises(TooLate, match="Jonas is looking at it already"):
        claims.claim(actor=people.ines, request=fresh(request))
    with pytest.raises(TooLate):
        claims.release(actor=people.ines, request=fresh(request))
    Round.objects.update(claimed_at=timezone.now() - timedelta(minutes=16))  # he went for lunch
    assert claims.claimer_of(fresh(request).round, timezone.now()) is None
    claims.claim(actor=people.ines, request=fresh(request))
    claims.release(actor=people.ines, request=fresh(request))
    claims.claim(actor=people.ines, request=fresh(request))
    services.vote(actor=people.jonas, request=fresh(request), approve=True, digest=request.digest)
    with pytest.raises(TooLate):
        claims.claim(actor=people.ines, request=fresh(request))
    assert [line.partition(":")[0] for line in recorded("request.claimed")] == ["ines", "ines", "jonas"]
    assert recorded("request.released") == ["ines: not looking at it any more"]


def test_what_has_expired_is_not_looked_at_any_more(people: People, checkout: Workload) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    Round.objects.update(expires_at=timezone.now())
    with pytest.raises(TooLate, match="nothing to decide any more"):
        claims.claim(actor=people.jonas, request=fresh(request))
