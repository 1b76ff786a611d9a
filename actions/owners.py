"""Whether whoever owns an object in Git takes a change back, how soon, and what to say of it.

Pure functions over what the connector saw, so that each is tested with a table of cases.
"""

from collections.abc import Sequence

from connectors.kubernetes import RESTARTED_AT, GitOpsOwner
from connectors.kubernetes.managing import covers

from .autosync import note_on
from .plans import Change, Impact, Line

NAMES = {"argocd": "Argo CD", "flux": "Flux", "helm": "Helm"}
NOUNS = {"argocd": "app", "helm": "release"}

NEVER_IN_GIT = f"spec.template.metadata.annotations.{RESTARTED_AT}"
"""What `kubectl rollout restart` writes. An owner that does not say which fields are its own has not declared this one."""


def name_of(owner: GitOpsOwner) -> str:
    noun = NOUNS.get(owner.kind) or owner.resource or "app"
    return f"{NAMES.get(owner.kind, owner.kind)}, {noun} {owner.application}"


def of_owner(owner: GitOpsOwner, changes: Sequence[Change]) -> tuple[Line, ...]:
    """The changed fields that the owner has declared, and so brings back whenever it acts.

    Where the object does not say which these are, it is every field that was there: what was not, cannot be in Git.
    """
    lines = [line for change in changes for line in change.lines]
    if owner.declares is None:
        return tuple(line for line in lines if line.before and line.path != NEVER_IN_GIT)
    return tuple(line for line in lines if covers(owner.declares, line.path))


def taken_back(owner: GitOpsOwner | None, changes: Sequence[Change]) -> tuple[Line, ...]:
    """What the owner takes back by itself if nothing else is done."""
    return of_owner(owner, changes) if owner and owner.self_heal else ()


def self_heals(owner: GitOpsOwner | None, changes: Sequence[Change]) -> int:
    """For the policy: 1 if any of it is taken back."""
    return int(bool(taken_back(owner, changes)))


def ownership(owner: GitOpsOwner | None, what: str, changes: Sequence[Change]) -> tuple[Impact, ...]:
    """Who else writes this object, and whether they will fight the change."""
    if owner is None:
        return ()
    if owner.self_heal:
        theirs = taken_back(owner, changes)
        return (
            Impact("Owner", name_of(owner), _fights(owner, theirs) if theirs else _lets_be(what), worry=bool(theirs)),
        )
    if owner.kind == "helm":
        return (Impact("Owner", name_of(owner), f"The next upgrade of the release decides about {what} again."),)
    if owner.self_heal is None:
        return (Impact("Owner", name_of(owner), "Whether it takes changes back could not be read.", worry=True),)
    return (Impact("Owner", name_of(owner), _rests(owner, what, of_owner(owner, changes))),)


def soon(owner: GitOpsOwner) -> str:
    """When it acts by itself. Argo CD watches; Flux comes by."""
    seconds = owner.within_seconds or 0
    span = (
        f"{seconds} s"
        if seconds < 120
        else f"{round(seconds / 60)} min"
        if seconds < 7200
        else f"{round(seconds / 3600)} h"
    )
    return f"in about {span}" if owner.kind == "argocd" else f"at the next reconciliation, within {span}"


def _fights(owner: GitOpsOwner, theirs: Sequence[Line]) -> str:
    name = f"{NAMES[owner.kind]}, {'application' if owner.kind == 'argocd' else owner.resource} {owner.application}"
    unsure = (
        " It does not say which fields are its own, so all that were there count." if owner.declares is None else ""
    )
    when = soon(owner) if owner.kind == "argocd" else f"{soon(owner)},"
    return f"This will be reverted {when} by {name}: {listed(theirs)}.{unsure}"


def _lets_be(what: str) -> str:
    return (
        f"It takes changes back by itself, but leaves {what} alone: none of the fields that change is declared in Git."
    )


def _rests(owner: GitOpsOwner, what: str, theirs: Sequence[Line]) -> str:
    reconciler = owner.reconciler
    note = note_on(reconciler) if reconciler else None
    if note:
        later = f"Then it takes {what} back: {listed(theirs)}." if theirs else f"It leaves {what} alone also then."
        return f"{note.sentence} {later}"
    if owner.kind == "flux":
        state = "It is suspended" if reconciler and reconciler.suspended else "It does not look for drift"
        return f"{state}, and does not fight {what}. When it applies the next time, it decides again."
    return f"Self-heal is off: it shows OutOfSync and does not fight {what}. The next sync from Git decides again."


def listed(lines: Sequence[Line], most: int = 3) -> str:
    """Some fields by name, and how many more there are."""
    names = [line.path for line in lines[:most]]
    return ", ".join(names) + (f" and {len(lines) - most} more" if len(lines) > most else "")
