"""Whose auto-sync is suspended at the moment, and what has drifted from Git since.

A suspension is a grant like any other temporary change. What the owner had declared when it began is in the journal of its run, so
that everything that differs since, whoever changed it, can be shown before it is taken back.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from audit.redact import HIDDEN
from connectors.kubernetes import WorkloadSeen
from connectors.kubernetes.managing import covers

from .models import Grant
from .plans import Line
from .states import GrantState

SUSPEND = "suspend-gitops"
DECLARED = "declared"
"""Under which name the journal has what the owner had declared: JSON, path to value."""

MOST_TEXT = 20_000


@dataclass(frozen=True)
class Suspension:
    """Of the auto-sync of whoever owns a workload, through a request of ours that has not ended yet."""

    request: int
    by: str
    summary: str
    until: datetime
    declared: Mapping[str, str]

    def drift(self, seen: WorkloadSeen) -> tuple[Line, ...]:
        """What its owner will take back: the fields that it had declared and that are something else now."""
        return drifted(self.declared, seen)


def suspensions_of(*keys: str) -> dict[str, Suspension]:
    """The suspensions that go on, by the key of the target (`Target.key`) they were asked for."""
    rows = Grant.objects.filter(
        target_key__in=keys, state__in=(GrantState.ACTIVE, GrantState.ENDING), request__action=SUSPEND
    )
    return {
        grant.target_key: _suspension(grant) for grant in rows.select_related("request__requester").order_by("ends_at")
    }


def _suspension(grant: Grant) -> Suspension:
    entry = grant.request.execution.journal.filter(evidence__has_key=DECLARED).order_by("id").first()
    declared = json.loads(entry.evidence[DECLARED]) if entry else {}
    request = grant.request
    return Suspension(request.pk, request.requester.name, request.summary, grant.ends_at, declared)


def declared_now(seen: WorkloadSeen) -> str:
    """What the owner has declared of a workload, as it is now. Of one that does not say which fields are its own, all of them."""
    declares = seen.owner.declares if seen.owner else frozenset()
    theirs = {
        path: value
        for path, value in seen.fields.items()
        if path.startswith("spec.") and (declares is None or covers(declares, path))
    }
    text = json.dumps(theirs, sort_keys=True)
    return text if len(text) <= MOST_TEXT else "{}"  # of one that is larger than that, drift is not tracked


def drifted(declared: Mapping[str, str], seen: WorkloadSeen) -> tuple[Line, ...]:
    """What looks like a credential was not kept, so nobody knows whether that has changed."""
    return tuple(
        Line(path, seen.fields.get(path, ""), value)
        for path, value in sorted(declared.items())
        if seen.fields.get(path, "") != value and HIDDEN not in value
    )
