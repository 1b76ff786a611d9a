"""A run's diary: the intent is committed before the effect, the outcome after it, each with its audit event.

An entry that says *intended* and nothing more is how a crash looks from the outside; whoever takes the run next reads it and
knows that the effect may have happened.
"""

from collections.abc import Collection, Mapping
from typing import Any, cast

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone

from audit import writer
from audit.events import Actor, Event
from audit.redact import redact, redact_text

from . import bell, lifecycle
from .models import Execution, JournalEntry
from .protocol import Step

VERBS = {
    JournalEntry.Status.DONE: "step.succeeded",
    JournalEntry.Status.FAILED: "step.failed",
    JournalEntry.Status.UNKNOWN: "step.unknown",
}


def in_doubt(execution: Execution, phase: str, step: Step) -> bool:
    """Whether the step was begun before and nobody saw the end of it, so that it may have happened already."""
    unclear = (JournalEntry.Status.INTENDED, JournalEntry.Status.UNKNOWN)
    return execution.journal.filter(phase=phase, step=step.id, status__in=unclear).exists()


def intend(execution: Execution, phase: str, step: Step, *, actor: Actor) -> JournalEntry:
    """Write down that a step is about to happen. After a crash the entry is there already, and is returned as it is.

    A step that was refused, and whose worker ended before it could say so, is about to happen once more: then the entry must not go
    on to say that nothing changed. Raises `Lost` when the run is no longer ours.
    """
    with transaction.atomic():
        lifecycle.update(execution, {"fence": execution.fence})  # no effect may follow if the run was taken from us
        entry, created = JournalEntry.objects.get_or_create(
            execution=execution,
            phase=phase,
            step=step.id,
            defaults={
                "title": step.title,
                "status": JournalEntry.Status.INTENDED,
                "started_at": timezone.now(),
                "looks": step.looks,
            },
        )
        refused = entry.status == JournalEntry.Status.FAILED
        if refused:
            entry.status, entry.ended_at = JournalEntry.Status.INTENDED, None
            entry.save(update_fields=["status", "ended_at"])
        if created or refused:
            writer.record(
                Event("step.intended", actor, step.title, lifecycle.about(execution), {"step": step.id, "phase": phase})
            )
            transaction.on_commit(lambda: bell.announce(execution.request_id))
    return entry


def settle(
    execution: Execution,
    entry: JournalEntry,
    status: JournalEntry.Status,
    *,
    actor: Actor,
    detail: str,
    evidence: Mapping[str, Any],
) -> None:
    """Write down what came of a step. Raises `Lost` when the run is no longer ours."""
    with transaction.atomic():
        lifecycle.update(execution, {"fence": execution.fence})
        entry.status, entry.detail, entry.ended_at = status, redact_text(detail), timezone.now()
        entry.evidence = {**(entry.evidence if entry.begun else {}), **_clean(evidence)}
        entry.save(update_fields=["status", "begun", "detail", "evidence", "ended_at"])
        writer.record(
            Event(
                VERBS[status], actor, f"{entry.title}: {detail}" if detail else entry.title, lifecycle.about(execution),
                {"step": entry.step, "phase": entry.phase, "evidence": dict(evidence)},
            )
        )  # fmt: skip
        transaction.on_commit(lambda: bell.announce(execution.request_id))


def go_on(execution: Execution, entry: JournalEntry, why: str, evidence: Mapping[str, Any]) -> None:
    """Say how far a step is that is begun and not done. Raises `Lost`."""
    with transaction.atomic():
        lifecycle.update(execution, {"fence": execution.fence})
        said = (entry.begun, entry.detail)
        entry.begun, entry.detail = True, redact_text(why)
        entry.evidence = {**entry.evidence, **_clean(evidence)}
        entry.save(update_fields=["begun", "detail", "evidence"])
        if said != (entry.begun, entry.detail):
            transaction.on_commit(lambda: bell.announce(execution.request_id))


def postpone(execution: Execution, entry: JournalEntry, why: str) -> None:
    """Say why a step could not even be tried. It stays what it was, so the record has nothing to tell. Raises `Lost`."""
    with transaction.atomic():
        lifecycle.update(execution, {"fence": execution.fence})
        entry.detail = redact_text(why)
        entry.save(update_fields=["detail"])


def observe(
    execution: Execution, phase: str, title: str, status: JournalEntry.Status, detail: str, evidence: Mapping[str, Any]
) -> JournalEntry:
    """Keep one entry per phase of observation up to date. Observations are many; the audit gets their end, by `lifecycle`.

    Raises `Lost` when the run is no longer ours.
    """
    now = timezone.now()
    ended = None if status is JournalEntry.Status.INTENDED else now
    values = {
        "title": title, "status": status, "detail": redact_text(detail), "evidence": redact(dict(evidence)), "ended_at": ended,
    }  # fmt: skip
    with transaction.atomic():
        lifecycle.update(execution, {"fence": execution.fence})
        entry, _ = JournalEntry.objects.update_or_create(
            execution=execution,
            phase=phase,
            step="observe",
            defaults=values,
            create_defaults={**values, "started_at": now},
        )
    return entry


def stop_observing(execution: Execution, why: str) -> None:
    """Close what was still being observed when the run turned to something else. Raises `Lost`."""
    with transaction.atomic():
        lifecycle.update(execution, {"fence": execution.fence})
        execution.journal.filter(step="observe", status=JournalEntry.Status.INTENDED).update(
            status=JournalEntry.Status.FAILED, detail=redact_text(why), ended_at=timezone.now()
        )


def anything_happened(execution: Execution) -> bool:
    """Whether a step happened or may have happened: only `failed`, of one that had not begun, says that nothing changed."""
    return _happened(execution).exists()


def began(execution: Execution) -> set[str]:
    """The steps that happened, or may have, as a whole or in part."""
    return set(_happened(execution).values_list("step", flat=True))


def _clean(evidence: Mapping[str, Any]) -> dict[str, Any]:
    return cast("dict[str, Any]", redact(dict(evidence)))


def _happened(execution: Execution) -> QuerySet[JournalEntry]:
    applied = execution.journal.filter(phase=JournalEntry.Phase.APPLY, looks=False)
    return applied.exclude(status=JournalEntry.Status.FAILED, begun=False)


def all_done(execution: Execution, steps: Collection[Step]) -> bool:
    return execution.journal.filter(phase=JournalEntry.Phase.APPLY, status=JournalEntry.Status.DONE).count() == len(
        steps
    )


def evidence_of(execution: Execution) -> dict[str, str | int]:
    """What the steps returned, of all of them together."""
    merged: dict[str, str | int] = {}
    for entry in execution.journal.filter(phase=JournalEntry.Phase.APPLY):
        merged.update(entry.evidence)
    return merged
