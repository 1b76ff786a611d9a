"""The other ways to ask: to have a denial set aside, or to break glass. Only what the policy offers is shown, with what follows from it.

Breaking glass takes two decisions: to choose it, which shows in words what follows, and to say yes to that.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

from django.utils import timezone

from actions.admission import Preview
from actions.errors import PlanChanged
from approvals.rulings import BreakGlass, Requirement, Ruling

from .drafts import BREAK_GLASS, OVERRIDE, Draft, How
from .words import moment, people


class NotConfirmed(PlanChanged):
    """Somebody chose to break glass and has not said yes to what follows."""

    title = "Say yes to what follows"


@dataclass(frozen=True)
class Way:
    """One way to ask: what the form sends for it, and what it means."""

    value: str
    title: str
    text: str
    chosen: bool


@dataclass(frozen=True)
class Glass:
    """What breaking it means, each in a sentence, and of these the one about the review."""

    consequences: tuple[tuple[str, str], ...]
    review: str


def ways_of(seen: Preview, how: How) -> tuple[Way, ...]:
    """What there is to choose; empty when the policy offers nothing but to ask, and nothing else was chosen."""
    plain, ways = seen.plain or seen.ruling, []
    if plain.override or how.way == OVERRIDE:
        ways.append(Way(OVERRIDE, "Ask to set the denial aside", _price(plain), how.way == OVERRIDE))
    if plain.break_glass or how.way == BREAK_GLASS:
        text = plain.break_glass.because if plain.break_glass else "The policy does not offer it for this."
        ways.append(Way(BREAK_GLASS, "Break glass: act now, be reviewed after", text, how.way == BREAK_GLASS))
    if not ways:
        return ()
    return (Way("", "As the policy says", f"{plain.headline}.", not how.way), *ways)


def glass_of(seen: Preview) -> Glass | None:
    """Set when what is shown would break glass."""
    offer = seen.ruling.break_glass
    if not seen.terms.break_glass or offer is None:
        return None
    due = moment(timezone.now() + timedelta(hours=offer.hours))
    review = f"{_one_of(offer.review)} {'reviews' if offer.review.count == 1 else 'review'} it by {due}."
    return Glass(tuple(_consequences(seen, offer, review)), review)


def confirmed(draft: Draft) -> None:
    """Raises `NotConfirmed`."""
    if draft.how.way == BREAK_GLASS and not draft.how.confirmed:
        raise NotConfirmed(
            "Breaking glass takes a second yes: read what follows below, tick it, and press the button again."
        )


def _consequences(seen: Preview, offer: BreakGlass, review: str) -> Iterable[tuple[str, str]]:
    aside = people(list(dict.fromkeys(answer.rule for answer in seen.ruling.set_aside)))
    yield "Now", f"It runs before anybody has agreed. Set aside: {aside}."
    yield "Told", f"{_named(offer.review)}, the team's approvers and the administrators are told at once."
    yield (
        "Review",
        f"{review} You never do, under any account. If it is late, an alarm is raised and the administrators are asked too.",
    )
    yield "Until then", "You cannot break glass for anything else, under any account."
    yield "For ever", "The record says that you did, and why."


def _price(plain: Ruling) -> str:
    if not plain.override:
        return "The policy lets nobody set this aside."
    agree = people([_one_of(need) for need in plain.override])
    whole = f"{agree} {'has' if len(plain.override) == 1 and plain.override[0].count == 1 else 'have'} to agree"
    return f"{whole}, beside whoever has to anyway. It is on record as an override."


def _named(need: Requirement) -> str:
    return people([who.name for who in need.people])


def _one_of(need: Requirement) -> str:
    """Jonas; Jonas or Ines; 2 of Jonas, Ines and Priya."""
    if need.count == 1:
        return people([who.name for who in need.people], "or")
    return f"{need.count} of {_named(need)}"
