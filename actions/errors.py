"""Every way the gate says no. The text is a sentence that says why and what to do next; entrances only choose how to show it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from approvals.services import ONE_DIGEST


class Refused(Exception):
    """Base of every refusal. `code` is stable and machine-readable; `status` is what HTTP calls it."""

    code = "refused"
    status = 400
    title = "Refused"


class BadParams(Refused):
    """`fields` maps a parameter (or "reason") to what is wrong with it."""

    code, status, title = "bad-params", 422, "Some values are wrong"

    def __init__(self, fields: Mapping[str, Sequence[str]]) -> None:
        self.fields = {name: list(problems) for name, problems in fields.items()}
        super().__init__(" ".join(f"{name}: {' '.join(problems)}" for name, problems in self.fields.items()))


class NotFound(Refused):
    """Also for what the person may not see: whether it exists is not told."""

    code, status, title = "not-found", 404, "Not found"


class NotAllowed(Refused):
    code, status, title = "not-allowed", 403, "Not allowed"


class CannotPlanNow(Refused):
    """`temporary` when the outside did not answer, so that the same question may be answered later. `left_alone` when what was to be set
    back is not ours any more.
    """

    code, status, title = "cannot-plan", 409, "Cannot plan"

    def __init__(self, text: str, *, temporary: bool = False, left_alone: bool = False) -> None:
        super().__init__(text)
        self.temporary = temporary
        self.left_alone = left_alone


class Denied(Refused):
    """The policy said no. The request exists, in state denied, for the record."""

    code, status, title = "denied", 403, "Denied by policy"

    def __init__(self, text: str, request_id: int, rules: Sequence[str]) -> None:
        super().__init__(text)
        self.request_id = request_id
        self.rules = list(rules)


class PlanChanged(Refused):
    """What would happen is no longer what the person looked at. Nothing was submitted."""

    code, status, title = "plan-changed", 409, "The plan changed"


class VoteDoesNotCount(Refused):
    """`rule` is the one of voting that it broke. On another plan than the one that is asked for, what they saw is no longer so."""

    code, status, title = "vote-refused", 403, "Your vote does not count"

    def __init__(self, text: str, rule: str) -> None:
        super().__init__(text)
        self.rule = rule
        if rule == ONE_DIGEST:
            self.status = 409


class TooLate(Refused):
    """Somebody or something was faster: the state is no longer what the person acted on."""

    code, status, title = "too-late", 409, "Too late"


class OneAtATime(Refused):
    """It costs others something, so one person has it done once at a time. Nothing was done."""

    code, status, title = "one-at-a-time", 429, "One at a time"


@dataclass(frozen=True)
class Difference:
    """One line of two plans that differ."""

    label: str
    agreed: str
    now: str
