"""The note that we leave on an owner's own object while its auto-sync is suspended.

It says what to put back, so that anybody can, also without us; and until when and through whom, so that a plan can say so to
everybody else who is about to change something of the same owner.
"""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audit.canonical import canonical_text
from connectors.kubernetes import ReconcilerSeen


@dataclass(frozen=True)
class Note:
    """`switch` is what was there before (see `ReconcilerSeen`), `through` the key of the target it was suspended for."""

    switch: Any
    by: str
    through: str
    until: datetime

    @property
    def text(self) -> str:
        return canonical_text({
            "before": self.switch, "by": self.by, "through": self.through, "until": self.until.isoformat(timespec="seconds"),
        })  # fmt: skip

    @property
    def sentence(self) -> str:
        return f"{self.by} suspended its auto-sync until {self.until:%H:%M} UTC on {self.until:%-d %B}."


def note_on(seen: ReconcilerSeen) -> Note | None:
    """What we left there, if it is still suspended. A note that nobody can read is none: whoever wrote it, it was not us."""
    if not seen.suspended or not seen.note:
        return None
    try:
        said = json.loads(seen.note)
        return Note(said["before"], str(said["by"]), str(said["through"]), datetime.fromisoformat(said["until"]))
    except (ValueError, KeyError, TypeError):
        return None
