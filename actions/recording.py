"""What the gate writes into the record about a question, beyond the moves of its state: asked, ruled, and every refusal.

A refusal is loud: an error for the person, and an event here that says who tried what.
"""

from django.db import transaction

from approvals.rulings import Ruling
from approvals.services import VoteRefused
from audit import writer
from audit.events import SYSTEM, About, Actor, Event

from . import lifecycle
from .errors import NotAllowed
from .models import Request
from .states import RequestState
from .targets import Row


def created(request: Request, ruling: Ruling, actor: Actor) -> None:
    """Call it in the transaction that creates the request."""
    about, rules = lifecycle.about(request), list(ruling.deciding_rules)
    writer.record(
        Event(
            "request.submitted", actor, f"{request.summary}, digest {request.digest[:8]}", about,
            {"digest": request.digest, "params": request.params, "reason": request.reason, "entrance": request.entrance,
             "undo_of": request.undo_of_id, "ticket": request.ticket, "incident": request.incident.reference if request.incident else "",
             "not_before": request.not_before.isoformat() if request.not_before else None, "supersedes": request.supersedes_id,
             "overrides": request.overrides, "breaks_glass": request.breaks_glass},
        ),
        Event(
            "policy.ruled", SYSTEM, f"{ruling.headline}: {', '.join(rules)}", about,
            {"effect": ruling.effect.value, "rules": rules, "policy": ruling.policy_digest,
             "set_aside": [f"{answer.rule} by {answer.set_aside}" for answer in ruling.set_aside]},
        ),
    )  # fmt: skip
    if request.state == RequestState.DENIED:
        writer.record(Event("request.denied", SYSTEM, ruling.why[:400], about, {"rules": rules}))
    elif request.state == RequestState.APPROVED:
        aside = ", ".join(f"{answer.rule} set aside by {answer.set_aside}" for answer in ruling.set_aside)
        writer.record(Event("request.approved", SYSTEM, aside or "nobody had to be asked", about, {"rules": rules}))


def plan_refused(actor: Actor, action: str, row: Row | None, problem: str) -> None:
    about = About(
        action=action,
        service=row.service.slug if row and row.service else "",
        environment=row.environment.slug if row and row.environment else "",
        target=str(row) if row else "",
    )
    with transaction.atomic():
        writer.record(Event("plan.refused", actor, problem[:400], about))


def vote_refused(actor: Actor, request: Request, refusal: VoteRefused) -> None:
    with transaction.atomic():
        writer.record(
            Event("vote.refused", actor, f"{refusal}: {refusal.rule}", lifecycle.about(request), {"rule": refusal.rule})
        )


def not_allowed(actor: Actor, request: Request, what: str, why: str) -> NotAllowed:
    """The refusal to raise, on record already."""
    with transaction.atomic():
        writer.record(Event("access.refused", actor, f"{what}: {why}", lifecycle.about(request), {"tried": what}))
    return NotAllowed(why)
