"""What an ExternalSecret and its store say about a synced Secret, in the words of the External Secrets Operator (its API v1).

Which secret of a vault it takes is said in two places: the store names the mount, the ExternalSecret the path, and either may name
a part of the other's.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime

from connectors.kubernetes.reading import reference
from connectors.kubernetes.seen import EXECUTION
from connectors.kubernetes.synced import EXTERNAL_SECRETS, FORCE, SYNCED_BEFORE, SyncedSeen, TakenSeen
from connectors.kubernetes.wire import Condition, Meta, Wire


class RemoteRef(Wire):
    key: str = ""
    property: str = ""
    version: str = ""


class StoreRef(Wire):
    name: str = ""
    kind: str = "SecretStore"


class SourceRef(Wire):
    store_ref: StoreRef | None = None


class Data(Wire):
    remote_ref: RemoteRef = RemoteRef()
    source_ref: SourceRef | None = None


class DataFrom(Wire):
    extract: RemoteRef | None = None
    source_ref: SourceRef | None = None


class Target(Wire):
    name: str = ""
    immutable: bool = False


class Spec(Wire):
    secret_store_ref: StoreRef = StoreRef()
    target: Target = Target()
    data: list[Data] = []
    data_from: list[DataFrom] = []
    refresh_policy: str = ""
    refresh_interval: str = "1h0m0s"


class Status(Wire):
    refresh_time: datetime | None = None
    synced_resource_version: str = ""
    conditions: list[Condition] = []


class ExternalSecret(Wire):
    metadata: Meta
    spec: Spec = Spec()
    status: Status = Status()


class Vault(Wire):
    path: str | None = None
    version: str = "v2"


class Provider(Wire):
    vault: Vault | None = None


class StoreSpec(Wire):
    provider: Provider = Provider()


class StoreStatus(Wire):
    conditions: list[Condition] = []


class Store(Wire):
    metadata: Meta
    spec: StoreSpec = StoreSpec()
    status: StoreStatus = StoreStatus()


Stores = Mapping[tuple[str, str, str], Store]
"""By kind, namespace ("" of a ClusterSecretStore) and name."""


def synced(seen: ExternalSecret, stores: Stores) -> SyncedSeen:
    meta, spec, status = seen.metadata, seen.spec, seen.status
    ready = next((condition for condition in status.conditions if condition.type == "Ready"), None)
    trouble = _store_trouble(_store(spec.secret_store_ref, meta, stores))
    return SyncedSeen(
        ref=reference("ExternalSecret", meta),
        operator=EXTERNAL_SECRETS,
        target=spec.target.name or meta.name,
        takes=_takes(seen, stores),
        ready=ready is not None and ready.status == "True" and not trouble,
        message=trouble or (ready.message if ready else "It was never synchronised."),
        synced_version=status.synced_resource_version,
        refreshed_at=status.refresh_time,
        fixed=_fixed(spec),
        stamp=meta.annotations.get(FORCE[EXTERNAL_SECRETS]),
        before=meta.annotations.get(SYNCED_BEFORE),
        execution=meta.annotations.get(EXECUTION),
        resource_version=meta.resource_version,
    )


def _store(ref: StoreRef, meta: Meta, stores: Stores) -> Store | None:
    return stores.get((ref.kind, meta.namespace if ref.kind == "SecretStore" else "", ref.name))


def _store_trouble(store: Store | None) -> str:
    """Nothing is synchronised while the store is not ready, and the ExternalSecret goes on saying that it is."""
    for condition in store.status.conditions if store else ():
        if condition.type == "Ready" and condition.status == "False":
            return f"Its store does not work: {condition.message}"
    return ""


def _fixed(spec: Spec) -> str:
    if spec.target.immutable:
        return "its Secret is immutable"
    if spec.refresh_policy == "CreatedOnce":
        return "its refresh policy is CreatedOnce"
    if spec.refresh_policy in ("", "Periodic") and not spec.refresh_interval.strip("0hms.nuµ"):
        return "its refresh interval is 0"
    refs = [*(each.remote_ref for each in spec.data), *(each.extract for each in spec.data_from if each.extract)]
    pinned = next((ref.version for ref in refs if ref.version), "")
    return f"it takes version {pinned}, whichever is the latest" if pinned else ""


def _takes(seen: ExternalSecret, stores: Stores) -> tuple[TakenSeen, ...]:
    keys: dict[str, list[str]] = {}
    for ref, source in _refs(seen.spec):
        named = source.store_ref if source and source.store_ref else seen.spec.secret_store_ref
        store = _store(named, seen.metadata, stores)
        if store is not None and store.spec.provider.vault is not None:
            keys.setdefault(address(store.spec.provider.vault, ref.key), []).append(ref.property)
    return tuple(TakenSeen(secret, () if "" in taken else tuple(taken)) for secret, taken in keys.items())


def _refs(spec: Spec) -> Iterable[tuple[RemoteRef, SourceRef | None]]:
    """Each secret that it names. What it finds by a pattern (`dataFrom.find`) is known to the vault only."""
    for data in spec.data:
        yield data.remote_ref, data.source_ref
    for whole in spec.data_from:
        if whole.extract is not None:
            yield whole.extract, whole.source_ref


def address(vault: Vault, key: str) -> str:
    """The "mount/path" that the operator reads, without what only the API's URL has (`data/`, `creds/`, `static-creds/`)."""
    path = key
    if vault.path is not None:
        path = key.removeprefix(f"{vault.path}/")
        if vault.version == "v2" and path != key:
            path = path.removeprefix("data/")
        mount = vault.path
    else:
        mount, _, path = key.partition("/data/" if vault.version == "v2" and "/data/" in key else "/")
    return f"{mount}/{path}" if vault.version == "v2" else without_endpoint(mount, path)


def without_endpoint(mount: str, path: str) -> str:
    """Credentials of a database role are read at `creds/<role>` or `static-creds/<role>` of its mount."""
    return f"{mount}/{path.removeprefix('static-creds/').removeprefix('creds/')}"
