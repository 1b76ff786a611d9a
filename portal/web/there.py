"""Who can answer, of those whom a request asks: whoever is out of office is not named, and whoever stands in for them is.

The same that a form says before anybody asks. For a list of requests, with one look at who is away.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from actions.models import Request
from actions.states import RequestState
from approvals import absences
from approvals.models import Absence, Round
from approvals.queries import requirements_of

Away = Mapping[str, Absence]
"""By the name that people are called."""


def asked_names(asked: Round) -> list[str]:
    """The people who were asked, by name, once each; also those who are asked by now because nobody had answered."""
    return list(dict.fromkeys(who.name for need in requirements_of(asked) for who in need.people))


def away_among(requests: Iterable[Request], now: datetime) -> Away:
    """Of everybody whom those that wait for an answer ask."""
    rounds = [each.round for each in requests if each.round and each.state == RequestState.AWAITING_APPROVAL]
    named = {who.username: who.name for asked in rounds for need in requirements_of(asked) for who in need.people}
    found = absences.away_called(now, named) if named else {}
    return {named[username]: absence for username, absence in found.items()}


def who_can(request: Request, away: Away, names: Sequence[str] | None = None) -> list[str]:
    """Those of `names`, else of all who were asked, that can answer now; when there is nobody, all of them, and that they are away."""
    asked = names if names is not None else asked_names(request.round) if request.round else ()
    there = [name for name in asked if name not in away]
    for name in asked:
        other = away[name].stand_in if name in away else None
        if other is not None and other.is_active and other.identity != request.requester.identity:
            there.append(other.name)
    return list(dict.fromkeys(there)) or [f"{name} (away)" for name in asked]
