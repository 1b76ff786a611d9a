"""What access that the vault gives has in common, be it a token or a user of a database.

Nothing is made before somebody is there to take it: the run only sees that what was agreed to is still so, and the hand-over, which
comes later, sees it again. The vault ends it by itself; a grant's end comes second.
"""

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import ClassVar, Literal

from .protocol import Action, CannotPlan, Drifted, Ending, Outcome, P, Plan, Step, Verdict, World


class VaultAccess(Action[P]):
    gives_access = True
    agreed_on: ClassVar[str]
    """The precondition that says which version of the administrator's word was agreed to."""
    fetched: ClassVar[str]
    """What is handed over, as a person calls it."""
    ended_by: ClassVar[str]

    @abstractmethod
    def look_again(self, plan: Plan, world: World) -> object:
        """What the administrator says now. Raises `Drifted` when that is not what was agreed to."""

    def waits_for(self, plan: Plan) -> Literal["", "start", "value"]:
        return "start"

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        world.refuse_while_planning()
        if step.verb == "close":
            return {"given": "nothing"}
        self.look_again(plan, world)
        return {self.agreed_on: str(plan.preconditions[self.agreed_on])}

    def verify(self, plan: Plan, world: World) -> Verdict:
        try:
            self.look_again(plan, world)
        except Drifted as drift:
            return Verdict(Outcome.FAILED, str(drift))
        return Verdict(Outcome.OK, f"The {self.fetched} can be fetched.")

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return Verdict(Outcome.OK, "Nothing was given.")

    def ending(self, plan: Plan, others: Sequence[Plan]) -> Ending:
        return Ending(self.ended_by, {})

    def revoke(self, plan: Plan, handle: Mapping[str, str | int], world: World) -> None:
        if accessor := handle.get("accessor"):
            world.vault.access.close(str(accessor))


@contextmanager
def refused_when_drifted() -> Iterator[None]:
    """At the hand-over there is no run any more to end as stale."""
    try:
        yield
    except Drifted as drift:
        raise CannotPlan(str(drift)) from drift


def seconds_until(ends_at: datetime) -> int:
    return max(1, int((ends_at - datetime.now(UTC)).total_seconds()))
