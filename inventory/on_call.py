"""Who is on call for a team, and who says so.

To be on call is to be asked first, and may be what saves somebody from asking. So it counts only while they belong to the team, and
an approver puts others on call, never themselves.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet

from audit import writer
from audit.events import Actor, ActorKind, Event

from .errors import NotYours, Unfit
from .models import Person, Shift, Team
from .queries import is_approver

LONGEST = timedelta(days=31)
FARTHEST = timedelta(days=400)
MOST = 500
"""Shifts in one schedule."""
PLANS = "inventory.change_shift"


@dataclass(frozen=True)
class Planned:
    """A shift as somebody wants it."""

    person: Person
    starts_at: datetime
    ends_at: datetime


def on_call_now(team: Team | None, at: datetime) -> list[Person]:
    """In the order in which their shifts began."""
    if team is None:
        return []
    shifts = _counting().filter(team=team, starts_at__lte=at, ends_at__gt=at)
    people = {shift.person_id: shift.person for shift in shifts.order_by("starts_at", "pk")}
    return list(people.values())


def put_on_call(accounts: Collection[int], team: Team | None, at: datetime) -> bool:
    """Whether somebody else has put one human, with these accounts, on call for then: one's own word saves nobody from asking."""
    shifts = _counting().filter(team=team, person__in=accounts, starts_at__lte=at, ends_at__gt=at)
    return team is not None and shifts.exclude(told_by__in=accounts).exists()


def shifts_from(teams: Collection[Team], at: datetime) -> list[Shift]:
    """Those of the teams that are not over at that time and count, by team, the first to begin first: in one query."""
    return list(_counting().filter(team__in=teams, ends_at__gt=at).order_by("team__slug", "starts_at", "pk"))


def belonging(teams: Collection[Team]) -> dict[int, list[Person]]:
    """Who can be on call for each of these teams, by its primary key, in name order: in one query."""
    team_of = {group: team.pk for team in teams for group in (team.group_id, team.approvers_id)}
    people = Person.objects.filter(groups__in=team_of, is_active=True).annotate(in_group=F("groups__pk"))
    found: dict[int, dict[int, Person]] = {team.pk: {} for team in teams}
    for person in people:
        found[team_of[person.in_group]][person.pk] = person
    return {team: sorted(each.values(), key=lambda person: person.name.casefold()) for team, each in found.items()}


def may_plan(person: Person, team: Team) -> bool:
    return person.has_perm(PLANS) or is_approver(person, team)


def add_shift(*, actor: Person, team: Team, wanted: Planned, now: datetime) -> Shift:
    """Raises `NotYours` or `Unfit`."""
    require_planner(actor, team)
    with transaction.atomic():
        _lock(team)
        _check(actor, team, wanted, now)
        if Shift.objects.filter(team=team, person=wanted.person, starts_at=wanted.starts_at).exists():
            raise Unfit("starts_at", f"{wanted.person.name} is on call from then already.")
        return _add(actor, team, wanted)


def remove_shift(*, actor: Person, shift: Shift, now: datetime) -> None:
    """One that has begun ends now; one that is over stays, as history does. Raises `NotYours` or `Unfit`."""
    require_planner(actor, shift.team)
    with transaction.atomic():
        _lock(shift.team)
        found = Shift.objects.select_related("team", "person").filter(pk=shift.pk, ends_at__gt=now).first()
        if found is None:
            raise Unfit("shift", "That shift is over, or somebody has taken it out already.")
        _remove(actor, found, now)


def set_shifts(*, actor: Person, team: Team, wanted: Sequence[Planned], now: datetime) -> int:
    """Make the team's shifts that are not over yet these, and return how many changed: none, when it is done again.

    What is over by `now` is not looked at. Raises `NotYours` or `Unfit`; then nothing changed.
    """
    require_planner(actor, team)
    if len(wanted) > MOST:
        raise Unfit("shifts", f"At most {MOST}; these are {len(wanted)}.")
    with transaction.atomic():
        _lock(team)
        rows = Shift.objects.filter(team=team, ends_at__gt=now).select_related("team", "person")
        there = {(row.person_id, row.starts_at): row for row in rows}
        plan = _plan(wanted, now)
        gone = [row for key, row in there.items() if key not in plan or plan[key].ends_at != row.ends_at]
        new = [each for key, each in plan.items() if key not in there or there[key].ends_at != each.ends_at]
        for each in new:
            _check(actor, team, each, now)
        for row in gone:
            key = (row.person_id, row.starts_at)
            _replace(row) if key in plan else _remove(actor, row, now)
        for each in new:
            _add(actor, team, each)
    return len({(row.person_id, row.starts_at) for row in gone} | {(each.person.pk, each.starts_at) for each in new})


def _plan(wanted: Sequence[Planned], now: datetime) -> dict[tuple[int, datetime], Planned]:
    """By what a shift is known by: the same one with two ends would be one of them, and nobody would know which."""
    plan: dict[tuple[int, datetime], Planned] = {}
    for each in wanted:
        if each.ends_at > now and plan.setdefault((each.person.pk, each.starts_at), each) is not each:
            raise Unfit("shifts", f"{each.person.name} is there twice from {each.starts_at:%Y-%m-%d %H:%M %Z}.")
    return plan


def _counting() -> QuerySet[Shift]:
    """Shifts of people who are still there, and still of the team."""
    of_team = Q(person__groups=F("team__group")) | Q(person__groups=F("team__approvers"))
    rows = Shift.objects.filter(of_team, person__is_active=True).distinct()
    return rows.select_related("team", "person__same_person_as")


def require_planner(actor: Person, team: Team) -> None:
    """Asked before anybody is looked up, so that a refusal tells nobody who there is. Raises `NotYours`."""
    if may_plan(actor, team):
        return
    why = f"Only approvers of team {team.slug} and administrators say who is on call for it."
    with transaction.atomic():
        writer.record(
            Event("access.refused", _actor(actor), f"change who is on call: {why}", details={"team": team.slug})
        )
    raise NotYours(why)


def _check(actor: Person, team: Team, wanted: Planned, now: datetime) -> None:
    person = wanted.person
    if person.identity == actor.identity and not actor.has_perm(PLANS):
        raise Unfit("person", "Nobody puts themselves on call. Ask another approver of the team, or an administrator.")
    if not person.is_active or not person.groups.filter(pk__in=[team.group_id, team.approvers_id]).exists():
        raise Unfit("person", f"{person.name} does not belong to team {team.slug}, so cannot be on call for it.")
    if wanted.ends_at <= wanted.starts_at:
        raise Unfit("ends_at", "It must end after it begins.")
    if wanted.ends_at <= now:
        raise Unfit("ends_at", "It would be over already.")
    if wanted.ends_at - wanted.starts_at > LONGEST:
        raise Unfit("ends_at", f"A shift lasts {LONGEST.days} days at most.")
    if wanted.ends_at - now > FARTHEST:
        raise Unfit("ends_at", f"At most {FARTHEST.days} days from now.")


def _add(actor: Person, team: Team, wanted: Planned) -> Shift:
    shift = Shift.objects.create(
        team=team, person=wanted.person, starts_at=wanted.starts_at, ends_at=wanted.ends_at, told_by=actor
    )
    _record("shift.added", actor, shift)
    return shift


def _remove(actor: Person, shift: Shift, now: datetime) -> None:
    _record("shift.removed", actor, shift)
    if shift.starts_at < now:
        Shift.objects.filter(pk=shift.pk).update(ends_at=now)
    else:
        Shift.objects.filter(pk=shift.pk).delete()


def _replace(shift: Shift) -> None:
    """Room for the same shift with another end; what is said of that one is enough."""
    Shift.objects.filter(pk=shift.pk).delete()


def _lock(team: Team) -> None:
    """Two who change the same schedule do it one after the other."""
    Team.objects.select_for_update(no_key=True).get(pk=team.pk)


def _record(verb: str, actor: Person, shift: Shift) -> None:
    summary = f"{shift.person.username} for team {shift.team.slug}, {shift.starts_at:%Y-%m-%d %H:%M} to {shift.ends_at:%Y-%m-%d %H:%M} UTC"
    details: dict[str, object] = {
        "team": shift.team.slug, "person": shift.person.username, "starts_at": shift.starts_at.isoformat(),
        "ends_at": shift.ends_at.isoformat(),
    }  # fmt: skip
    writer.record(Event(verb, _actor(actor), summary, details=details))


def _actor(person: Person) -> Actor:
    return Actor(ActorKind.PERSON, person.username, person.pk)
