"""A Kubernetes Secret that an operator keeps equal to a secret of a vault: what we saw of it, and what makes the operator look again.

Two operators do this, and each says in its own status what it did last. Neither shows a version of the vault, so what counts is
whether its own mark of what it wrote has changed since somebody told it to look: `moved`.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from connectors.kubernetes.seen import EXECUTION, ObjectRef
from connectors.names import resource_version, timestamp, uid

EXTERNAL_SECRETS = "external-secrets"
VAULT_SECRETS = "vault-secrets"
SYNCED_BEFORE = "afterdeck.dev/synced-before"
FORCE = {EXTERNAL_SECRETS: "force-sync", VAULT_SECRETS: "afterdeck.dev/force-sync"}
"""Either operator looks again when any annotation changes. The first documents this one for it, the second none."""


@dataclass(frozen=True, slots=True)
class TakenSeen:
    """A secret of a vault that goes into a Kubernetes Secret."""

    secret: str  # "mount/path", as the inventory names it: without `data/`, `creds/` or `static-creds/`
    keys: tuple[str, ...] = ()  # none: all it has


@dataclass(frozen=True, slots=True)
class SyncedSeen:
    """What one ExternalSecret, VaultStaticSecret or VaultDynamicSecret says."""

    ref: ObjectRef
    operator: str  # EXTERNAL_SECRETS or VAULT_SECRETS
    target: str  # the name of the Kubernetes Secret, in the same namespace
    takes: tuple[TakenSeen, ...]
    ready: bool
    message: str  # the operator's words about how it went last, or what is wrong with the store
    synced_version: str  # opaque; another one whenever something was written. "": nothing ever was
    refreshed_at: datetime | None
    fixed: str  # why a new version in the vault would not arrive, however often it is told to look; "": it would
    stamp: str | None  # of the last `force_sync`, whoever made it
    before: str | None  # the `synced_version` that was to be left behind by it
    execution: str | None
    resource_version: str

    @property
    def moved(self) -> bool:
        """Whether the operator has written since it was last told to. False as long as that failed."""
        return self.ready and self.before is not None and self.synced_version not in ("", self.before)

    def takes_from(self, secret: str) -> bool:
        return any(taken.secret == secret for taken in self.takes)


def force(seen: SyncedSeen, *, stamp: str, execution: str, before: str) -> dict[str, Any]:
    """The patch that makes the operator look at the vault again, unless `seen` is no longer how it is.

    External Secrets writes another mark each time that it looks, so it has to leave the one that it has now. Vault Secrets marks
    what it wrote: if it noticed the change by itself, it already has the last mark that it will have, and left `before` behind.
    """
    leaves = seen.synced_version if seen.operator == EXTERNAL_SECRETS else before
    notes = {FORCE[seen.operator]: timestamp(stamp), SYNCED_BEFORE: leaves, EXECUTION: execution}
    meta = {"uid": uid(seen.ref.uid), "resourceVersion": resource_version(seen.resource_version), "annotations": notes}
    return {"metadata": meta}
