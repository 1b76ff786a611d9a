"""What every connector is, whatever it connects to.

A connector is one outside system under one configured name. Beyond these few things each has methods of its own;
those that write take a precondition and the person they act for, and refuse with `ReadOnly` where the configuration
says so.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol, runtime_checkable


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the system answered us, in words for a page, and when we asked."""

    ok: bool
    sentence: str
    checked_at: datetime
    version: str = ""


@runtime_checkable
class Connector(Protocol):
    """Implementations are safe to share between threads, and cost nothing until the first call."""

    kind: ClassVar[str]

    @property
    def name(self) -> str: ...

    @property
    def read_only(self) -> bool: ...

    def health(self) -> Health:
        """Ask for the smallest thing that proves address and credentials. Answers within 5 s, and never raises."""
        ...
