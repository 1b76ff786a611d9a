"""What all grants of access have in common: how long they last, how that is said, and what the start and the end of one carry.

A grant is named by the mark of the run that made it, which its end gets along with whatever else is kept of it (`Grant.handle`).
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

from pydantic import Field

from .protocol import Action, CannotPlan, Change, Impact, Outcome, P, Params, Plan, Risk, Step, Target, Verdict, World

SHORTEST, LONGEST = 10, 24 * 60
"""Minutes. What is longer than a working day is refused by the policy that ships."""
USUAL = 60
DEADLINE = timedelta(minutes=2)
MARK = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"

BY_ITSELF = "It ends by itself. To end it before that, give it back."
AN_END_STAYS = "An end is not taken back: ask for access again."


Minutes = Annotated[
    int,
    Field(
        ge=SHORTEST,
        le=LONGEST,
        title="For how many minutes",
        description="It begins when you start it, and ends by itself.",
        json_schema_extra={"widget": "stepper", "proposed": True},
    ),
]


class EndParams(Params):
    """What is known of a grant at its end. `mark` is that of the run that made it."""

    mark: str = Field(pattern=f"^{MARK}$")


def length(minutes: int) -> str:
    """`90` → `1 h 30 min`."""
    hours, rest = divmod(minutes, 60)
    return " ".join(part for part in (f"{hours} h" if hours else "", f"{rest} min" if rest else "") if part)


def refuse_longer(minutes: int, longest_seconds: int, whose: str) -> None:
    """Raises `CannotPlan` when that is longer than somebody's limit; 0 is none."""
    if longest_seconds and minutes * 60 > longest_seconds:
        raise CannotPlan(f"{whose} gives access for {length(longest_seconds // 60)} at most. Ask for less.")


def lapses(what: str, minutes: int) -> Impact:
    return Impact("Ends", f"after {length(minutes)}", what)


def beside_the_work_on_it(target: Target) -> Target:
    """The same target under a name of its own: whoever wants to look at a rollout that hangs must not stand in line behind it."""
    return replace(target, key=f"access:{target.key.removeprefix('access:')}")


def said(at: datetime) -> str:
    """A moment in the one form that the reaper in the cluster can compare as text."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def ends(now: datetime, minutes: int) -> str:
    return said(now + timedelta(minutes=minutes))


class EndAccess(Action[P]):
    """The end of a grant of access: nobody asks for it by itself, it is never taken back, and nothing has to soak."""

    title, icon, risk = "End access", "hourglass", Risk.LOW
    preposition, listed = "to", False

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        return {}

    def end_plan(
        self,
        target: Target,
        params: P,
        summary: str,
        *,
        preconditions: Mapping[str, str | int | bool | None],
        changes: tuple[Change, ...],
        steps: tuple[Step, ...],
        eject: tuple[str, ...],
        impact: tuple[Impact, ...],
    ) -> Plan:
        return Plan(
            action=self.id, target=beside_the_work_on_it(target), params=params.model_dump(mode="json"), summary=summary,
            preconditions=preconditions, changes=changes, steps=steps, revert=(), no_revert=AN_END_STAYS, undo=None,
            no_undo=AN_END_STAYS, irreversible=("Whoever had the access works with it no longer.",), eject=eject, soak_seconds=0,
            deadline_seconds=int(DEADLINE.total_seconds()), impact=impact,
        )  # fmt: skip

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return Verdict(Outcome.FAILED, "An end is not taken back.")
