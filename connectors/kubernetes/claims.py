"""Who else has set a field that a server-side apply would change, in the server's words made into values.

There are two ways to have set a field. Whoever *declared* it by server-side apply owns it: their next apply is refused, or brings it
back. Whoever merely *wrote* it, as `kubectl set image`, a client-side `kubectl apply` or a pipeline does, was the last to write, and
their next write passes.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from connectors.errors import Conflict, clean
from connectors.kubernetes.seen import EXECUTION

MANAGER = "afterdeck"
LIMIT = 200

# `conflict with "helm"`, `conflict with "kubectl" using apps/v1 at 2026-11-24T10:00:00Z`. Only a write has an API version.
_CONFLICT = re.compile(
    r'conflict with "(?P<manager>.*?)"(?: with subresource "[^"]*")?(?P<wrote> using \S+.*)?', re.DOTALL
)


@dataclass(frozen=True, slots=True)
class Claim:
    """One field that somebody has set. `declared`: by server-side apply, so that it is theirs."""

    manager: str
    field: str
    declared: bool

    @property
    def ours(self) -> bool:
        """Also the note of the execution, whoever copied it along."""
        return self.manager == MANAGER or self.manager.startswith(f"{MANAGER}-") or self.field.endswith(EXECUTION)


class Claimed(Conflict):
    """Somebody else has declared what would be changed. Nothing was changed."""

    def __init__(self, sentence: str, detail: str = "", claims: tuple[Claim, ...] = ()) -> None:
        super().__init__(sentence, detail)
        self.claims = claims

    def __reduce__(self) -> tuple[type["Claimed"], tuple[str, str, tuple[Claim, ...]]]:  # type: ignore[override]  # one argument more
        return type(self), (self.sentence, self.detail, self.claims)


def claims_in(causes: Iterable[tuple[str, str]]) -> tuple[Claim, ...]:
    """From message and field of each cause of a refused apply, once each."""
    return tuple(dict.fromkeys(_claim(message, field) for message, field in causes))


def _claim(message: str, field: str) -> Claim:
    found = _CONFLICT.fullmatch(message)
    manager = (
        found["manager"] if found else message
    )  # in a form that we do not know: say what it says, and take it seriously
    return Claim(clean(manager, LIMIT), clean(field, LIMIT).removeprefix("."), declared=not (found and found["wrote"]))
