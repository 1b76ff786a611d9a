"""Whether the object that an action is on is still there and still the same: its name may belong to another one by now."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from connectors.errors import Missing
from connectors.kubernetes import ObjectRef

from .plans import Target, TargetKind
from .protocol import Drifted, LeftAlone


class Seen(Protocol):
    @property
    def ref(self) -> ObjectRef: ...


S = TypeVar("S", bound=Seen)


def still_there(target: Target, read: Callable[[], S]) -> S:
    """What was read, for a plan. Raises `LeftAlone` when it is gone or replaced, and the connector's other errors."""
    try:
        seen = read()
    except Missing as gone:
        raise LeftAlone(f"{target.label} is gone from cluster {target.cluster}. Nothing is left to act on.") from gone
    if seen.ref.uid != target.ref.uid:
        again = "Choose it again" if target.kind is TargetKind.NODE else "Open the service again"
        raise LeftAlone(f"{_replaced(target)} {again} to act on it.")
    return seen


def still_the_same(target: Target, seen: S) -> S:
    """What was read, before a write. Raises `Drifted` when the name belongs to another object by now."""
    if seen.ref.uid != target.ref.uid:
        raise Drifted(f"{_replaced(target)} Nothing was changed.")
    return seen


def _replaced(target: Target) -> str:
    another = "machine" if target.kind is TargetKind.NODE else "object"
    return f"{target.label} was replaced by another {another} of the same name."
