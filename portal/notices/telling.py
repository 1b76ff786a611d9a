"""From an event of the record to who is told of it, as what, in which words.

A table of verbs; what is not in it is nobody's news. The words are one line that may leave the house: what it is about and what came
of it, never the plan, a reason or a note, which are behind the link.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

import structlog
from django.db import OperationalError, transaction
from django.urls import reverse
from django.utils import timezone

from actions import scheduled
from actions.jobs import STAYS
from actions.models import Request
from actions.registry import only_stops
from approvals import absences
from approvals.models import Round
from approvals.rulings import requirement_from
from audit.models import EventRow
from audit.redact import redact_text
from connectors.errors import clean
from inventory import queries as inventory
from inventory.models import Person
from portal import what_next

from .models import Kind, Notice

log = structlog.get_logger(__name__)

MOST_TEXT = 300

Text = str | Callable[[], str]
"""A function where it names a moment: each reads it in the time zone of their own."""


@dataclass(frozen=True)
class Told:
    """One line for one person."""

    person: Person
    kind: Kind
    text: str
    path: str


class Batch:
    """What several events need to be told, looked up once for all of them."""

    def __init__(self, events: Sequence[EventRow], now: datetime) -> None:
        self.now = now
        related = ("service__team", "environment", "requester__same_person_as", "round", "debt__round", "execution")
        about = {event.request_id for event in events if event.request_id is not None}
        self.requests = {row.pk: row for row in Request.objects.select_related(*related).filter(pk__in=about)}
        actors = {event.actor_id for event in events if event.actor_id is not None}
        self.people = Person.objects.in_bulk(actors)
        self._approvers: dict[int | None, list[Person]] = {}

    def approvers_of(self, request: Request) -> list[Person]:
        team = request.service.team
        key = team.pk if team else None
        if key not in self._approvers:
            self._approvers[key] = inventory.approvers_of(team)
        return self._approvers[key]

    @cached_property
    def administrators(self) -> list[Person]:
        return list(Person.objects.filter(is_superuser=True, is_active=True).select_related("same_person_as"))


@dataclass(frozen=True)
class Story:
    """One event, with the request it is about if there is one."""

    event: EventRow
    batch: Batch

    @property
    def request(self) -> Request | None:
        return self.batch.requests.get(self.event.request_id or 0)

    @cached_property
    def details(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.event.text)["details"]
        return found

    @property
    def actor(self) -> str:
        person = self.batch.people.get(self.event.actor_id or 0)
        return person.name if person else self.event.actor

    def tell(self, people: Iterable[Person], kind: Kind, text: Text, path: str) -> Iterator[Told]:
        """Whoever did it knows already."""
        for person in people:
            if person.is_active and person.pk != self.event.actor_id:
                with timezone.override(person.zone):
                    said = line(text if isinstance(text, str) else text())
                yield Told(person, kind, said, path)


Teller = Callable[[Story], Iterable[Told]]


def told_by(events: Sequence[EventRow], now: datetime) -> list[tuple[EventRow, Told]]:
    """Everything these events tell anybody, at most one line for an event and a person.

    One that cannot be told is in the log instead: nobody should wait for it who has other news.
    """
    news = [event for event in events if event.verb in TELLERS]
    batch = Batch(news, now)
    try:
        return _told(news, batch)
    except OperationalError:
        raise
    except Exception:  # noqa: BLE001  # whatever it is comes again below, by itself, and is logged with its event
        return [each for event in news for each in _told_or_logged(event, batch)]


def _told_or_logged(event: EventRow, batch: Batch) -> list[tuple[EventRow, Told]]:
    try:
        return _told([event], batch)
    except OperationalError:  # the database is away: it is told when it is back
        raise
    except Exception:
        log.exception("notices.not_told", event_id=event.pk, verb=event.verb, request=event.request_id)
        return []


def _told(news: Iterable[EventRow], batch: Batch) -> list[tuple[EventRow, Told]]:
    found: dict[tuple[int, int], tuple[EventRow, Told]] = {}
    with transaction.atomic():  # a query that fails spoils no more than this
        for event in news:
            for told in TELLERS[event.verb](Story(event, batch)):
                found.setdefault((event.pk, told.person.pk), (event, told))
    return list(found.values())


def line(text: str) -> str:
    """Fit for a header of a message, a list and a screen reader: one line, no control characters, nothing like a credential."""
    return clean(redact_text(text), MOST_TEXT)


def what_of(request: Request) -> str:
    """In its own words, and where, as far as those do not say so."""
    summary = clean(request.summary, 160)
    said = set(re.split(r"[^\w-]+", summary))
    where = [slug for slug in (request.service.slug, request.environment.slug) if slug not in said]
    return f"{summary} ({', '.join(where)})" if where else summary


def path_of(request: Request) -> str:
    return reverse("request", args=[request.pk])


def _about_request(tell: Callable[[Story, Request], Iterable[Told]]) -> Teller:
    return lambda story: tell(story, story.request) if story.request is not None else ()


def _asked(story: Story, request: Request) -> Iterator[Told]:
    """Whoever is asked by now and was not told so before; and who stands in for those of them that are away."""
    if request.round is None:
        return
    asked = _asked_in(request.round)
    known = Notice.objects.filter(request_id=request.pk, kind=Kind.DECIDE).values("person")
    people = list(
        Person.objects.filter(username__in=asked, is_active=True).exclude(pk__in=known).select_related("same_person_as")
    )

    def asks(instead: str = "") -> str:
        aside = ", setting a denial aside" if request.overrides else ""
        what = f"{what_of(request)}{_for_later(request, story.batch.now)}{aside}"
        return f"{request.requester.name} asks you to decide{instead}: {what}"

    yield from story.tell(_others(people, request), Kind.DECIDE, asks, path_of(request))
    for absence in absences.away_at(story.batch.now, [person.pk for person in people]).values():
        if absence.stand_in is not None and absence.person_id in absences.stand_in_for(
            [absence.stand_in.pk], story.batch.now
        ):
            instead = partial(asks, f" in place of {absence.person.name}")
            yield from story.tell(_others([absence.stand_in], request), Kind.DECIDE, instead, path_of(request))


def _for_later(request: Request, now: datetime) -> str:
    """When it is to run is part of what is agreed to, also where that is decided from the message."""
    at = scheduled.runs_at(request, now)
    return f", to run {moment(at)}" if at else ""


def moment(at: datetime) -> str:
    """In the time zone of who reads it, which it names: it is read outside, too."""
    return f"{timezone.localtime(at):%a %d %b %H:%M %Z}"


def _asked_in(asked: Round) -> set[str]:
    """The accounts as which people are asked by now."""
    needs = [requirement_from(need) for need in asked.requirements]
    people = [each for need in needs for each in (*need.people, *(need.escalation.people if need.escalation else ()))]
    by_now = set(asked.asked.values_list("identity", flat=True))
    return {each.username for each in people if each.identity in by_now}


def _others(people: Iterable[Person], request: Request) -> list[Person]:
    return [person for person in people if person.identity != request.requester.identity]


def _answered(said: str) -> Teller:
    def tell(story: Story, request: Request) -> Iterator[Told]:
        if request.round is not None:  # else it was decided while they looked
            text = f"{what_of(request)}: {said.format(actor=story.actor)}"
            yield from story.tell([request.requester], Kind.ANSWER, text, path_of(request))

    return _about_request(tell)


def _approved(story: Story, request: Request) -> Iterator[Told]:
    """With what happens next: some of it its requester has to do."""
    if request.round is not None:  # else it was decided while they looked

        def text() -> str:
            then = what_next.sentence(request, story.batch.now, moment, to_requester=True)
            return f"{what_of(request)}: everybody who had to agree has agreed. {then}".rstrip()

        yield from story.tell([request.requester], Kind.ANSWER, text, path_of(request))


def _ended(said: str) -> Teller:
    def tell(story: Story, request: Request) -> Iterator[Told]:
        yield from story.tell([request.requester], Kind.ENDED, f"{what_of(request)}: {said}", path_of(request))

    return _about_request(tell)


def _taken_back(story: Story, request: Request) -> Iterator[Told]:
    said = f"stopped. {STAYS}" if only_stops(request.action) else "taken back"
    yield from story.tell([request.requester], Kind.ENDED, f"{what_of(request)}: {said}", path_of(request))


def _trouble(said: str) -> Teller:
    def tell(story: Story, request: Request) -> Iterator[Told]:
        people = _once([request.requester, *story.batch.approvers_of(request)])
        yield from story.tell(people, Kind.TROUBLE, f"{what_of(request)}: {said}", path_of(request))

    return _about_request(tell)


def _broken(story: Story, request: Request) -> Iterator[Told]:
    """Loud: the team's approvers, the administrators, and whoever has to review it."""
    who, what, path = request.requester.name, what_of(request), path_of(request)
    debt = getattr(request, "debt", None)
    reviewers = _asked_in(debt.round) if debt else set()
    asked = Person.objects.filter(username__in=reviewers, is_active=True).select_related("same_person_as")
    yield from story.tell(
        _others(asked, request), Kind.BREAK_GLASS, f"{who} broke glass, and you are asked to review it: {what}", path
    )
    others = _others(_once([*story.batch.approvers_of(request), *story.batch.administrators]), request)
    yield from story.tell(others, Kind.BREAK_GLASS, f"{who} broke glass: {what}", path)


def _owed(story: Story, request: Request) -> Iterator[Told]:
    """That a review is late: whoever owes it, and whoever is asked for it by now."""
    debt = getattr(request, "debt", None)
    asked = _asked_in(debt.round) if debt else set()
    reviewers = Person.objects.filter(username__in=asked, is_active=True).select_related("same_person_as")
    text = f"Nobody has reviewed in time what {request.requester.name} did by breaking glass: {what_of(request)}"
    yield from story.tell([request.requester, *_others(reviewers, request)], Kind.DEBT, text, path_of(request))


def _settled(story: Story, request: Request) -> Iterator[Told]:
    said = "found it right" if story.details.get("accepted") else "objects"
    text = f"{story.actor} reviewed what you did by breaking glass, and {said}: {what_of(request)}"
    yield from story.tell([request.requester], Kind.DEBT, text, path_of(request))


def _proposed(story: Story, request: Request) -> Iterator[Told]:
    text = f"{story.actor} would agree to less, and asks whether you do: {what_of(request)}"
    yield from story.tell([request.requester], Kind.PROPOSAL, text, path_of(request))


def _proposal_answered(said: str) -> Teller:
    def tell(story: Story, request: Request) -> Iterator[Told]:
        proposal = request.proposals.select_related("proposer").first()
        if proposal is not None:
            yield from story.tell([proposal.proposer], Kind.PROPOSAL, f"{said}: {what_of(request)}", path_of(request))

    return _about_request(tell)


def _policy(said: str) -> Teller:
    return lambda story: story.tell(story.batch.administrators, Kind.POLICY, said, reverse("policy"))


def _stands_in(story: Story) -> Iterator[Told]:
    stand_in = Person.objects.filter(username=story.details.get("stand_in", ""), is_active=True)
    yield from story.tell(stand_in, Kind.STAND_IN, partial(_away, story), reverse("queue"))


def _away(story: Story) -> str:
    begins, ends = (datetime.fromisoformat(story.details[each]) for each in ("starts_at", "ends_at"))
    at_once = begins <= story.event.at + timedelta(minutes=1)
    span = f"until {moment(ends)}" if at_once else f"from {moment(begins)} until {moment(ends)}"
    return f"{story.actor} is away {span}, and you decide in their place."


def _stood_in(story: Story) -> Iterator[Told]:
    stand_in = Person.objects.filter(username=story.details.get("stand_in", ""), is_active=True)
    text = f"{story.actor} is back before the time. You need not stand in any more."
    yield from story.tell(stand_in, Kind.STAND_IN, text, reverse("queue"))


def _once(people: Collection[Person]) -> list[Person]:
    """One account for each human, the first that is named."""
    return list({person.identity: person for person in reversed(list(people))}.values())


TELLERS: dict[str, Teller] = {
    "request.submitted": _about_request(_asked),
    "request.escalated": _about_request(_asked),
    "request.approved": _about_request(_approved),
    "request.rejected": _answered("rejected by {actor}"),
    "request.expired": _answered("nobody answered in time"),
    "request.stale": _ended("what was agreed is no longer what would happen, so nothing has run"),
    "execution.succeeded": _ended("done and verified"),
    "execution.reverted": _about_request(_taken_back),
    "execution.failed": _ended("failed, and nothing changed"),
    "execution.cancelled": _ended("cancelled, and nothing changed"),
    "execution.resolved": _ended("somebody looked, and said what is true"),
    "execution.needs_human": _trouble("it cannot know what happened, and a person has to look"),
    "execution.overdue": _trouble("it is late, and nothing moves"),
    "grant.overdue": _trouble("it should have ended, and has not"),
    "glass.broken": _about_request(_broken),
    "debt.overdue": _about_request(_owed),
    "debt.settled": _about_request(_settled),
    "proposal.made": _about_request(_proposed),
    "proposal.confirmed": _proposal_answered("What you proposed is asked for instead"),
    "proposal.declined": _proposal_answered("What you proposed is not wanted"),
    "policy.proposed": _policy("The policy files hold something else, and you are asked to agree before it decides"),
    "policy.adopted": _policy("Another policy decides from now on"),
    "policy.rejected": _policy("A proposed policy was refused"),
    "absence.announced": _stands_in,
    "absence.ended": _stood_in,
}
