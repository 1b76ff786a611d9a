"""What one person can do about one request at this moment, and in words why not what they cannot.

The gate decides again when somebody acts; this only keeps the page from offering what would be refused.
"""

from dataclasses import dataclass, replace
from datetime import datetime

from django.urls import reverse
from django.utils import timezone

from actions import claims, counting, proposals, scheduled, services
from actions.errors import TooLate
from actions.handover import has_credential
from actions.jobs import STAYS
from actions.models import Execution, Request
from actions.protocol import Plan
from actions.states import ACTIVE, ExecutionState, RequestState
from approvals.models import Round
from inventory import queries as inventory
from inventory.models import Person

from . import progress
from .glass import Broken
from .goals import address_from
from .proposed import Proposed
from .there import Away, who_can
from .words import moment, people, span, steps, zoned

R, E = RequestState, ExecutionState

ASK_AGAIN = (R.REJECTED, R.EXPIRED, R.WITHDRAWN, R.STALE, R.DENIED, E.FAILED, E.REVERTED, E.CANCELLED)


@dataclass(frozen=True)
class Deck:
    """The bar at the bottom: the consequence in words on the left, what can be done on the right."""

    headline: str
    sentence: str = ""
    state: str = ""
    may_vote: bool = False
    instead_of: str = ""
    proposes: str = ""
    claim: str = ""
    """Whether one can say that one is on it ("claim") or is not any more ("release")."""
    claimed_by: str = ""
    may_review: bool = False
    """Whether their word counts on glass that was broken."""
    may_withdraw: bool = False
    may_cancel: bool = False
    may_resolve: bool = False
    may_start: bool = False
    may_start_now: bool = False
    may_supply: bool = False
    gives_credential: bool = False
    may_end: bool = False
    longer: str = ""
    cancelling: str = ""
    consequences: tuple[str, ...] = ()
    again: str = ""
    undo: str = ""
    soak_since: datetime | None = None
    soak: int = 0

    @property
    def version(self) -> str:
        """Changes when what can be done changes, so that a swap never takes a half-written note away."""
        can = (
            self.may_vote, self.may_review,
            self.may_withdraw, self.may_cancel, self.may_resolve, self.may_start, self.may_start_now, self.may_supply,
        )  # fmt: skip
        return f"{self.state}-{''.join(f'{each:d}' for each in can)}{bool(self.undo):d}"


def deck_for(
    person: Person,
    request: Request,
    plan: Plan,
    away: Away,
    proposed: Proposed | None = None,
    broken: Broken | None = None,
) -> Deck:
    deck = _deck(person, request, plan, away, proposed)
    if broken is not None and broken.may_review:
        deck = replace(deck, may_review=True, again="", undo="")
    if plan.lasts_seconds is None:
        return deck
    mine = person.identity == request.requester.identity
    may_end = mine or person.is_superuser or inventory.is_owner(person, request.service)
    gives = mine and has_credential(request)
    return replace(deck, gives_credential=gives, may_end=may_end, longer=_again(person, request) if mine else "")


def _deck(person: Person, request: Request, plan: Plan, away: Away, proposed: Proposed | None) -> Deck:
    state, run = progress.state_of(request), progress.run_of(request)
    mine = person.identity == request.requester.identity
    if state == R.AWAITING_APPROVAL and request.round is not None:
        return _asked(person, request, request.round, mine, away, proposed)
    if state in (E.QUEUED, *ACTIVE) and run is not None:
        return _running(person, request, run, plan, mine)
    if state == E.NEEDS_HUMAN and run is not None:
        return _unclear(person, request, state)
    if state == E.SUCCEEDED and run is not None:
        return _succeeded(person, request, run, plan)
    again = _again(person, request) if state in ASK_AGAIN else ""
    return Deck(_ended(request, run, state), "“Ask again” opens the form with the same values and reason." if again else "",
                state, again=again)  # fmt: skip


def _asked(person: Person, request: Request, asked: Round, mine: bool, away: Away, proposed: Proposed | None) -> Deck:
    place = counting.place_of(person, asked, request.service, timezone.now())
    others = who_can(request, away, place.left)
    until = f"Without an answer it expires {_at(asked.expires_at)}."
    if (at := scheduled.runs_at(request, timezone.now())) is not None:
        until = f"It is for {zoned(at)}. {until}"
    elif request.not_before is not None:
        until = f"Its time is over, so it runs as soon as it is agreed. {until}"
    state = str(request.state)
    claimer = claims.claimer_of(asked, timezone.now())
    claimed_by = claimer.name if claimer and claimer != person else ""
    if mine and proposed is not None and proposed.open:
        return Deck(f"{proposed.title}. Confirm it above, or keep yours.", until, state, may_withdraw=True)
    if mine:
        can = f"{people(others)} can." if others else "Nobody else was asked."
        return Deck(
            f"You cannot approve this: you asked for it. {can}", until, state, may_withdraw=True, claimed_by=claimed_by
        )
    if not place.refused:
        whose = f", instead of {place.instead_of}" if place.instead_of else ""
        proposes = reverse("request-propose", args=[request.pk]) if proposals.can_be_less(request) else ""
        return Deck(f"You sign exactly this plan{whose}", f"It is made again before it runs; if it changed, nothing happens. {until}",
                    state, may_vote=True, instead_of=place.instead_of, proposes=proposes, claimed_by=claimed_by,
                    claim="" if claimed_by else "release" if claimer else "claim")  # fmt: skip
    waits = SAID.get(place.refused, "Waits for {}.").format(people(others, "or") or "nobody else")
    return Deck(waits, until, state, claimed_by=claimed_by)


SAID = {
    counting.ONE_VOTE: "You have decided. It still waits for {}.",
    counting.STILL_AN_APPROVER: "This account is not an approver of the team, or no longer. {} can decide.",
}


def _running(person: Person, request: Request, run: Execution, plan: Plan, mine: bool) -> Deck:
    if request.ends_id is not None:  # nobody stops the end of what was agreed for a while
        return Deck(run.cause or E(run.state).label, "It ends what was agreed for a while.", str(run.state))
    owner = mine or person.is_superuser or inventory.is_owner(person, request.service)
    state = str(run.state)
    if run.cancel_requested_by is not None and state != E.REVERTING:
        return Deck(f"{run.cancel_requested_by.name} cancelled it.", "It stops at the next step.", state)
    sentence = str(run.observed.get("sentence", "")) if state in (E.VERIFYING, E.REVERTING) else run.cause
    headline = f"{E(state).label}: {sentence}" if sentence else E(state).label
    if run.waits_for and state == E.QUEUED:
        return _waits(person, request, run, mine)
    if state == E.QUEUED and (at := scheduled.runs_at(request, timezone.now())) is not None:
        return _later(person, request, at, mine, owner)
    if state == E.QUEUED:
        return Deck(headline, "" if sentence else "A worker takes it within seconds.", state,
                    may_withdraw=mine, may_cancel=owner and not mine, cancelling="Cancel the run",
                    consequences=("Nothing has changed yet, and nothing will.",))  # fmt: skip
    changed = run.applied_at is not None or state == E.VERIFYING
    back = steps([step.title for step in plan.revert])
    title = f"Cancel and {back[:1].lower()}{back[1:]}" if changed and plan.revert else "Cancel the run"
    consequences: tuple[str, ...] = ("It stops before the next step. What has not happened does not happen.",)
    if changed and plan.revert:
        consequences = (f"{back}, and that is verified like the change was.", *_reason_back(request))
    elif changed:
        consequences = (f"It cannot be taken back by itself. {plan.no_revert}", "A person has to look afterwards.")
    may = owner and state != E.REVERTING
    return Deck(headline, "Undo opens when the run has ended." if plan.undo and may else "", state,
                may_cancel=may, cancelling=title, consequences=consequences,
                soak_since=progress.good_since(run) if state == E.VERIFYING else None,
                soak=int(run.observed.get("soak", 0)))  # fmt: skip


def _waits(person: Person, request: Request, run: Execution, mine: bool) -> Deck:
    """It was agreed, and its requester has to do something before it begins."""
    who, state = request.requester.name, str(run.state)
    starts = run.waits_for == "start"
    may = mine or (not starts and inventory.is_owner(person, request.service))
    if starts:
        headline = (
            "Agreed. Its time counts from when you start it." if mine else f"Agreed. {who} starts it when needed."
        )
    else:
        headline = (
            "Agreed. Hand in the new value, and it begins." if may else f"Agreed. It waits for a value from {who}."
        )
    return Deck(headline, run.cause or "Nothing has changed yet.", state, may_withdraw=mine, may_start=may and starts,
                may_supply=may and not starts)  # fmt: skip


def _later(person: Person, request: Request, at: datetime, mine: bool, owner: bool) -> Deck:
    """It was agreed for a time that lies ahead."""
    may, sooner = scheduled.may_start_now(person, request), ""
    if not may and request.round is not None:
        sooner = " Whoever agreed can run it before."
    return Deck(
        f"Runs {zoned(at)}", f"It is looked at again then; if it changed, nothing happens.{sooner}", str(E.QUEUED),
        may_withdraw=mine, may_cancel=owner and not mine, may_start_now=may, cancelling="Cancel the run",
        consequences=("Nothing has changed yet, and nothing will.",),
    )  # fmt: skip


def _reason_back(request: Request) -> tuple[str, ...]:
    first = request.reason.strip().split("\n")[0]
    text = first if len(first) <= 120 else f"{first[:119]}…"
    return (f"The reason for this change comes back too: “{text}”",)


def _unclear(person: Person, request: Request, state: str) -> Deck:
    if services.may_resolve(person, request):
        return Deck(
            "Look at the target, then say what is true",
            "Until then nothing else may touch it.",
            state,
            may_resolve=True,
        )
    team, asked = request.service.team, request.requester.identity
    names = [each.name for each in inventory.approvers_of(team) if each.identity != asked]
    who = people(names, "or") or "An administrator"
    return Deck(
        "A person has to look", f"{who} can say what is true. Until then nothing else may touch the target.", state
    )


def _succeeded(person: Person, request: Request, run: Execution, plan: Plan) -> Deck:
    took = f" in {span((run.ended_at - run.started_at).total_seconds())}" if run.ended_at and run.started_at else ""
    headline = f"{run.cause.rstrip('.') or 'Verified'}{took}"
    state = str(run.state)
    try:
        way_back = services.undo_of(request)
    except TooLate as late:
        return Deck(headline, str(late), state, again="" if request.undo_of_id else _again(person, request))
    if request.row is None or not inventory.may_ask(person, request.service):
        return Deck(headline, "Team members can undo it.", state)
    undo = address_from(request, way_back.action, undo=request.pk)
    again = "" if request.undo_of_id else _again(person, request)
    return Deck(headline, "Undo first shows what would happen.", state, undo=undo, again=again)


def _again(person: Person, request: Request) -> str:
    row = request.row
    if row is None or row.gone_at is not None or not inventory.may_ask(person, request.service):
        return ""
    if request.undo_of_id is not None:
        return address_from(request, request.action, undo=request.undo_of_id)
    return address_from(request, request.action, again=request.pk) if request.ends_id is None else ""


def _ended(request: Request, run: Execution | None, state: str) -> str:
    at = run.ended_at if run is not None and run.ended_at and state in tuple(E) else request.decided_at
    when = f" {_at(at)}" if at else ""
    replaced = getattr(request, "superseded_by", None) is not None
    if run is not None and run.state == E.REVERTED and state != E.REVERTED:
        return f"{E(state).label}{when}. {STAYS}"
    endings: dict[str, str] = {
        R.REJECTED: f"Rejected{when}. Nothing has run.",
        R.EXPIRED: f"Nobody answered, so it expired{when}. Nothing has run.",
        R.WITHDRAWN: f"{'Replaced' if replaced else 'Taken back'}{when}. Nothing has run.",
        R.STALE: "Nothing has run. The approval covered another plan.",
        R.DENIED: "The policy said no. Nothing has run.",
        E.FAILED: f"Failed{when}. Nothing changed.",
        E.REVERTED: f"Reverted{when} and verified. Nothing is left to undo.",
        E.CANCELLED: f"Cancelled{when}. Nothing changed.",
    }
    return endings.get(state, f"{state.replace('_', ' ').capitalize()}{when}.")


def _at(at: datetime) -> str:
    said = moment(at)
    return f"at {said}" if len(said) == len("14:26") else said
