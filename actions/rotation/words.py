"""What a rotation says about itself before anybody agrees: what changes, who is touched, what cannot be proved, how to do it by hand."""

from collections.abc import Sequence

from connectors.kubernetes import RESTARTED_AT
from connectors.kubernetes.synced import FORCE
from connectors.postgres import DatabaseAt
from connectors.vault.seen import SecretSeen

from ..protocol import Change, Impact, Line, Target
from ..workloads import unavailable_at_once
from .affected import Affected
from .readers import Consumer

AT_RUN = "the time it runs"
CANNOT_ROTATE = (
    "The vault {vault} has no token role afterdeck-rotation, so nothing can be rotated there. "
    "An administrator makes it, as deploy/README.md says."
)
NEW_VALUE = {
    "generate": "generated when it runs",
    "supply": "typed in when it runs",
    "earlier": "that of version {version}",
}
DESTROYED = "Version {version} is destroyed, so the old value cannot be put back."
ONE_PASSWORD = (
    "The database knows only the new password: the old one is refused from that moment on and cannot be put back."  # noqa: S105  (no password)
)
DROPPED = "The database users of before are dropped, with their sessions."
NEW_USERS = "There is nothing to undo: who reads it has a user of their own, made for them."
ONE_LOGS_IN = "The new one has to log in, and the old one to be refused."
NEW_LOG_IN = "A new user has to log in, and those of before to be gone."
MOST_NAMED = 4


def changes(on: Affected) -> tuple[Change, ...]:
    """Whatever restarted a consumer last is not part of what is agreed, so a deployment meanwhile makes nothing stale."""
    by = [(f"Secret {seen.ref.namespace}/{seen.target}", seen.ref.kind) for _, seen in on.synced]
    by += [(each.name, "Afterdeck") for each in on.own]
    copied = (Change(name, (Line("data", "the old version", f"the new one, by {who}"),)) for name, who in by)
    stamp = f"spec.template.metadata.annotations.{RESTARTED_AT}"
    return (*copied, *(Change(f"{each.ref.kind} {each.name}", (Line(stamp, "", AT_RUN),)) for each in on.restarted))


def numbers(on: Affected) -> dict[str, int]:
    seen = [each.seen for each in on.restarted if each.seen]
    return {
        "objects": 1 + len(seen), "pods": sum(each.wanted for each in seen),
        "unavailable": sum(unavailable_at_once(each) for each in seen), "other_teams": len(_others(on)),
    }  # fmt: skip


def readers(on: Affected, order: str) -> Impact:
    found = on.readers
    if not found:
        said = "No workload says that it reads this (annotation afterdeck.dev/secrets), so nobody is restarted or waited for."
        return Impact("Consumers", "none known", said, worry=True)
    pods = sum(each.seen.wanted for each in found if each.seen)
    named = [f"{each.name} ({each.environment}{_how(each)})" for each in found]
    more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
    how = "Restarted together" if order == "together" else "Restarted one by one, the least critical first"
    return Impact(
        "Consumers",
        f"{len(found)}, {pods} pod{'' if pods == 1 else 's'}",
        f"{how}: {', '.join(named[:MOST_NAMED])}{more}.",
    )


def _how(consumer: Consumer) -> str:
    if consumer.seen is None:
        return ", reads it at its next run"
    if not consumer.restarts:
        return ", 0 replicas"
    return f", {consumer.seen.ready} of {consumer.seen.wanted} ready"


def copied(on: Affected) -> Impact:
    if not on.synced and not on.own:
        return Impact("Copies", "none", "Nothing copies it into the cluster: consumers read the vault when they start.")
    named = [f"{seen.ref.namespace}/{seen.target} by {seen.ref.kind} {seen.ref.name}" for _, seen in on.synced]
    named += [f"{each.ref.namespace}/{each.ref.name} by Afterdeck itself" for each in on.own]
    troubled = [seen for _, seen in on.synced if not seen.ready]
    said = f" {troubled[0].ref} does not work now: {troubled[0].message}" if troubled else ""
    first = ", ".join(named[:MOST_NAMED])
    return Impact(
        "Copies", str(len(named)), f"Waited for before anybody restarts: {first}.{said}", worry=bool(troubled)
    )


def login_of_kv(at: DatabaseAt | None) -> Impact:
    if at is None:
        said = "Nobody told where it logs in (metadata afterdeck-login), so it is proved by consumers that run well with it."
        return Impact("Proof", "by use", said)
    return Impact(
        "Proof",
        f"login to {at}",
        "Tried with the new one before anybody restarts. If it is refused, the old one comes back.",
    )


def login_of_role(at: DatabaseAt | None, said: str) -> Impact:
    if at is None:
        return Impact("Proof", "by use", "The database is none that Afterdeck can log in to.")
    return Impact("Proof", f"login to {at}", said)


def gap(on: Affected) -> tuple[Impact, ...]:
    if not on.restarted:
        return ()
    said = "From the change until each has restarted, it cannot open new connections. Those that are open stay."
    return (Impact("Gap", "some seconds", said, worry=True),)


def leases(count: int, revoke: bool) -> Impact:
    said = (
        "All that were given out before the run are ended, also those that people have."
        if revoke
        else "They run out by themselves."
    )
    return Impact("Leases", f"{count} now", said)


def age(seen: SecretSeen) -> tuple[Impact, ...]:
    if seen.changed_at is None:
        return ()
    which = f"version {seen.version}" if seen.version else "the password"
    return (Impact("Present one", f"{seen.changed_at:%Y-%m-%d}", f"That is when {which} was made."),)


def other_teams(on: Affected) -> tuple[Impact, ...]:
    others = _others(on)
    if not others:
        return ()
    said = "Their workloads say that they read it, so they are restarted too."
    return (Impact("Other teams", ", ".join(others[:MOST_NAMED]), said, worry=True),)


def not_copied(on: Affected) -> tuple[Impact, ...]:
    if not on.not_copied:
        return ()
    said = (
        "Only workloads of another team say that this is a copy, so it is not written: they go on with the old one. "
        "Whoever owns the secret can allow it in its metadata (afterdeck-copies)."
    )
    return (Impact("Not copied", ", ".join(on.not_copied[:MOST_NAMED]), said, worry=True),)


def _others(on: Affected) -> list[str]:
    return sorted({each.other_team for each in on.readers if each.other_team})


def eject_kv(target: Target, keys: Sequence[str], old: int, destroy: bool) -> tuple[str, ...]:
    place = f"-mount={target.ref.namespace} {target.ref.name}"
    write = f"bao kv patch -cas={old} {place} " + " ".join(f"{key}=@new-{key}" for key in keys)
    return (write, *([f"bao kv destroy -versions={old} {place}"] if destroy else []))


def eject_static(target: Target) -> tuple[str, ...]:
    return (f"bao write -f {target.ref.namespace}/rotate-role/{target.ref.name}",)


def eject_dynamic(target: Target, revoke: bool) -> tuple[str, ...]:
    place = f"{target.ref.namespace}/creds/{target.ref.name}"
    return (f"bao lease revoke -prefix {place}",) if revoke else (f"bao list sys/leases/lookup/{place}",)


def eject_consumers(on: Affected) -> tuple[str, ...]:
    told = (
        f"kubectl --context {cluster} -n {seen.ref.namespace} annotate --overwrite {seen.ref.kind.lower()} {seen.ref.name} "
        f'{FORCE[seen.operator]}="$(date)"'
        for cluster, seen in on.synced
    )
    again = (
        f"kubectl --context {each.cluster} -n {each.ref.namespace} rollout restart {each.ref.kind.lower()}/{each.ref.name}"
        for each in on.restarted
    )
    written = (
        f"kubectl --context {each.cluster} -n {each.ref.namespace} patch secret {each.ref.name} --patch-file=new-version.yaml"
        for each in on.own
    )
    return (*told, *written, *again)
