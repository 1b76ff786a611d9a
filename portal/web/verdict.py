"""The policy's answer to a plan as people read it: why, who can agree at this moment, what does not count and why, and from when it would.

The same beside a form, before anybody asks, and on a request, as it was when it was asked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from django.utils import timezone

from actions.admission import Preview
from actions.targets import service_of
from actions.terms import FURTHEST
from approvals import absences, groups
from approvals.models import Absence
from approvals.rulings import BREAK_GLASS, OVERRIDE, Effect, Escalation, Requirement, RuleAnswer, Ruling
from inventory import on_call
from inventory.models import Person, Service

from .moments import as_typed
from .words import moment, roughly, zoned

MINUTE = timedelta(minutes=1)


@dataclass(frozen=True)
class Answer:
    """What one rule said. `aside` is why it does not count; `saw` are the facts that its condition named, and what they were."""

    rule: str
    because: str
    saw: tuple[tuple[str, str], ...] = ()
    aside: str = ""


@dataclass(frozen=True)
class Candidate:
    """Somebody who could agree; `away` says until when they are out, and who stands in."""

    name: str
    on_call: bool = False
    away: str = ""


@dataclass(frozen=True)
class Asked:
    """One place of the round: how many of whom. `later` says who is asked besides when nobody answers."""

    count: int
    who: str
    there: tuple[Candidate, ...]
    away: tuple[Candidate, ...]
    later: str = ""

    @property
    def enough(self) -> str:
        whole = self.who[:1].upper() + self.who[1:]
        return f"{whole}: {'one is enough' if self.count == 1 else f'{self.count} have to agree'}."


@dataclass(frozen=True)
class Verdict:
    """`at` is when it would run, if not at once. `opens` is when no schedule denies it any more; `opens_typed` as a form has it, if it
    takes something so far ahead.
    """

    effect: str
    headline: str
    why: tuple[Answer, ...]
    aside: tuple[Answer, ...]
    others: tuple[Answer, ...]
    asked: tuple[Asked, ...]
    looked_at: int
    policy: str
    answers_within: str = ""
    at: datetime | None = None
    opens: datetime | None = None
    opens_typed: str = ""


def verdict_on(seen: Preview, person: Person) -> Verdict:
    """What a form shows."""
    service, ruling = service_of(seen.row), seen.ruling
    now = timezone.now()
    notes = _notes(ruling.requirements, service, person, now)
    opens = first_typable(datetime.fromisoformat(ruling.opens_at)) if ruling.opens_at else None
    can_wait = opens is not None and opens <= now + FURTHEST
    shown = verdict_of(ruling, seen.terms.not_before)
    return replace(
        shown,
        asked=tuple(_asked(need, service, notes) for need in ruling.requirements),
        answers_within=roughly(ruling.expires_minutes * 60) if ruling.expires_minutes else "",
        opens=opens,
        opens_typed=as_typed(opens) if opens and can_wait else "",
    )


def verdict_of(ruling: Ruling, at: datetime | None = None) -> Verdict:
    """What the rules said, without who is there now."""
    waivers = {answer.rule: answer.because for answer in ruling.answers if answer.effect is Effect.ALLOW}
    return Verdict(
        effect=ruling.effect.value,
        headline=headline(ruling, at),
        why=tuple(_answer(answer) for answer in ruling.counting),
        aside=tuple(_answer(answer, _aside(answer.set_aside, waivers)) for answer in ruling.set_aside),
        others=tuple(
            _answer(answer) for answer in ruling.answers if answer.effect is not ruling.effect and not answer.set_aside
        ),
        asked=(),
        looked_at=ruling.looked_at,
        policy=ruling.policy_digest,
        at=at,
    )


def headline(ruling: Ruling, at: datetime | None) -> str:
    if at is not None and ruling.effect is Effect.ALLOW:
        return f"Runs {zoned(at)}, nobody has to be asked"
    return ruling.headline


def first_typable(at: datetime) -> datetime:
    """That moment, or the first after it that a field with minutes and without a zone can say: not of an hour that comes twice."""
    moment_utc = at.astimezone(UTC)
    if moment_utc.second or moment_utc.microsecond:
        moment_utc = moment_utc.replace(second=0, microsecond=0) + MINUTE
    local = timezone.localtime(moment_utc)
    while local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        moment_utc += MINUTE
        local = timezone.localtime(moment_utc)
    return moment_utc


def _answer(answer: RuleAnswer, aside: str = "") -> Answer:
    return Answer(answer.rule, answer.because, answer.facts, aside)


def _aside(by: str, waivers: dict[str, str]) -> str:
    if by == OVERRIDE:
        return "Set aside by the override that is asked for."
    if by == BREAK_GLASS:
        return "Set aside by breaking glass."
    return f"Does not count: {waivers[by]}" if by in waivers else "Does not count."


def _asked(need: Requirement, service: Service, notes: Mapping[str, Candidate]) -> Asked:
    people = [notes.get(each.username, Candidate(each.name)) for each in need.people]
    people.sort(key=lambda each: not each.on_call)
    return Asked(
        need.count,
        asked_as(need.of, service),
        there=tuple(each for each in people if not each.away),
        away=tuple(each for each in people if each.away),
        later=_later(need.escalation, service) if need.escalation else "",
    )


def _later(later: Escalation, service: Service) -> str:
    return (
        f"If it is not decided after {roughly(later.after_minutes * 60)}, {asked_as(later.of, service)} are asked too."
    )


def asked_as(of: str, service: Service) -> str:
    """What those whom a rule asks are called, about this service."""
    return groups.describe(of, team=service.team.slug if service.team else "nobody", service=service.slug)


def _notes(needs: Iterable[Requirement], service: Service, requester: Person, now: datetime) -> Mapping[str, Candidate]:
    """What to know of each of them now, by username; whenever it is to run, they are asked now."""
    named = {who.username: who for need in needs for who in need.people}
    if not named:
        return {}
    away = absences.away_called(now, named)
    shift = {who.identity for who in on_call.on_call_now(service.team, now)} if service.team else set()
    return {
        username: Candidate(who.name, who.identity in shift, _until(away.get(username), requester))
        for username, who in named.items()
    }


def _until(absence: Absence | None, requester: Person) -> str:
    """Who stands in is named as far as their vote would count."""
    if absence is None:
        return ""
    until, other = f"out until {moment(absence.ends_at)}", absence.stand_in
    return until if other is None or other.identity == requester.identity else f"{until}, {other.name} stands in"
