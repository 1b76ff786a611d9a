"""What a VaultStaticSecret or VaultDynamicSecret says about a synced Secret, in the words of the Vault Secrets Operator (v1beta1).

Older versions of that operator set no conditions, so a generation that it has seen counts as ready there.
"""

from datetime import UTC, datetime

import msgspec

from connectors.kubernetes.external_secrets import without_endpoint
from connectors.kubernetes.reading import reference
from connectors.kubernetes.seen import EXECUTION
from connectors.kubernetes.synced import FORCE, SYNCED_BEFORE, VAULT_SECRETS, SyncedSeen, TakenSeen
from connectors.kubernetes.wire import Meta, Wire


class Condition(Wire):
    type: str
    status: str
    message: str = ""
    last_transition_time: datetime | None = None


class Destination(Wire):
    name: str = ""


class Spec(Wire):
    mount: str = ""
    path: str = ""
    version: int = 0  # of a VaultStaticSecret; 0 is the latest
    hmac_secret_data: bool = True
    destination: Destination = Destination()


class Lease(Wire):
    id: str = ""


class StaticCredentials(Wire):
    last_vault_rotation: int = 0


class Status(Wire):
    last_generation: int = 0
    secret_mac: str = msgspec.field(default="", name="secretMAC")
    secret_lease: Lease = Lease()
    static_creds_meta_data: StaticCredentials = StaticCredentials()
    last_renewal_time: int = 0  # seconds since 1970
    conditions: list[Condition] = []


class VaultSecret(Wire):
    metadata: Meta
    spec: Spec = Spec()
    status: Status = Status()


def synced(kind: str, seen: VaultSecret) -> SyncedSeen:
    meta, spec, status = seen.metadata, seen.spec, seen.status
    conditions = {condition.type: condition for condition in status.conditions}
    ready, last = conditions.get("Ready"), conditions.get("SecretSynced")
    told = last if last and last.status == "False" else ready
    renewed = datetime.fromtimestamp(status.last_renewal_time, UTC) if status.last_renewal_time else None
    return SyncedSeen(
        ref=reference(kind, meta),
        operator=VAULT_SECRETS,
        target=spec.destination.name,
        takes=(TakenSeen(without_endpoint(spec.mount, spec.path)),),
        ready=ready.status == "True" if ready else 0 < status.last_generation == meta.generation,
        message=told.message if told else "",
        synced_version=_version(kind, status),
        refreshed_at=last.last_transition_time if last and last.status == "True" else renewed,
        fixed=_fixed(kind, spec),
        stamp=meta.annotations.get(FORCE[VAULT_SECRETS]),
        before=meta.annotations.get(SYNCED_BEFORE),
        execution=meta.annotations.get(EXECUTION),
        resource_version=meta.resource_version,
    )


def _version(kind: str, status: Status) -> str:
    """A keyed hash of the values; of a lease, which one; of credentials that the vault rotates, when it last did."""
    if kind == "VaultStaticSecret":
        return status.secret_mac
    rotated = status.static_creds_meta_data.last_vault_rotation
    return str(rotated) if rotated else status.secret_lease.id


def _fixed(kind: str, spec: Spec) -> str:
    if kind == "VaultStaticSecret" and spec.version:
        return f"it takes version {spec.version}, whichever is the latest"
    if kind == "VaultStaticSecret" and not spec.hmac_secret_data:
        return "it does not say what it wrote, because hmacSecretData is off"
    return ""
