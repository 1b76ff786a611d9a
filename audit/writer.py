"""The only writer of the audit record.

It demands an open transaction, so that an event and the change it tells of commit together or not at all. It names only the
columns that the application role may insert; Postgres fills in identity, time and transaction id.
"""

import contextvars

from django.db import connection

from .canonical import canonical_text, storable
from .events import VERBS, Event
from .redact import redact, redact_text

correlation: contextvars.ContextVar[str] = contextvars.ContextVar("correlation", default="")

COLUMNS = (
    "verb", "actor_kind", "actor", "actor_id", "request_id", "execution_id", "action", "service", "environment", "target",
    "summary", "correlation", "text",
)  # fmt: skip
_INSERT = f"INSERT INTO audit_event ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"  # noqa: S608  # constants only


class NoTransaction(RuntimeError):
    """An event was recorded outside a transaction: it could survive a change that did not."""


def record(*events: Event) -> None:
    """Append events to the record, in order, in the caller's transaction.

    Raises `NoTransaction` outside one, `ValueError` for a verb that is not in the vocabulary, `NotCanonical` for details that
    are not JSON.
    """
    if not connection.in_atomic_block:
        raise NoTransaction("Record an event in the transaction of the change it tells of.")
    rows = [_row(event) for event in events]
    with connection.cursor() as cursor:
        cursor.executemany(_INSERT, rows)


def _row(event: Event) -> tuple[str | int | None, ...]:
    if event.verb not in VERBS:
        raise ValueError(f"{event.verb!r} is not an audit verb; add it to audit.events.VERBS.")
    about, actor = event.about, event.actor
    name, summary = storable(actor.name), _safe(event.summary)[:2000]
    action, service, environment = storable(about.action), storable(about.service), storable(about.environment)
    target = _safe(about.target)
    text = canonical_text(
        {
            "verb": event.verb,
            "actor": {"kind": actor.kind.value, "name": name, "id": actor.id},
            "request": about.request,
            "execution": about.execution,
            "action": action,
            "service": service,
            "environment": environment,
            "target": target,
            "summary": summary,
            "details": redact(event.details),
            "correlation": correlation.get(),
        }
    )
    return (
        event.verb, actor.kind.value, name[:200], actor.id, about.request, about.execution, action[:64], service[:253],
        environment[:63], target[:400], summary, correlation.get()[:64], text,
    )  # fmt: skip


def _safe(text: str) -> str:
    return storable(redact_text(text))
