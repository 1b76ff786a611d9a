"""How something is asked for, beside what: with a ticket, for later, against a freeze, or by breaking glass."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.canonical import storable

from .errors import BadParams

MAX_TICKET = 200
FURTHEST = timedelta(days=30)
"""Who knows what is true later than that."""


@dataclass(frozen=True)
class Terms:
    """`override`: denials that the policy lets somebody set aside are to be. `break_glass`: act now, be reviewed after."""

    ticket: str = ""
    not_before: datetime | None = None
    override: bool = False
    break_glass: bool = False

    def checked(self, now: datetime) -> "Terms":
        """Raises `BadParams`."""
        ticket = storable(self.ticket).strip()
        if len(ticket) > MAX_TICKET:
            raise BadParams({"ticket": [f"At most {MAX_TICKET} characters; these are {len(ticket)}."]})
        if self.override and self.break_glass:
            raise BadParams(
                {"break_glass": ["Either somebody overrides it first, or it is reviewed after. Choose one."]}
            )
        if self.not_before is None:
            return Terms(ticket, None, self.override, self.break_glass)
        if self.break_glass:
            raise BadParams({"not_before": ["Glass is broken for what cannot wait. Leave the time out."]})
        if self.not_before.tzinfo is None:
            raise BadParams({"not_before": ["Say in which time zone, as in 2026-12-01T22:00+01:00."]})
        if self.not_before <= now:
            raise BadParams({"not_before": ["That is over. Choose a later time, or none to run it at once."]})
        if self.not_before > now + FURTHEST:
            raise BadParams({"not_before": [f"At most {FURTHEST.days} days ahead."]})
        return Terms(ticket, self.not_before, self.override, self.break_glass)


AS_USUAL = Terms()
"""At once, without a ticket, and nothing set aside."""
