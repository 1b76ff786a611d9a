"""Finds the synced Secrets of a cluster, whichever operator keeps them, and tells the operator to look again.

A cluster without the operator does not know its kinds: that is an empty list. Not being allowed to look is not: whoever takes
"nothing is synced" for an answer writes a Secret that somebody else keeps.
"""

from collections.abc import Iterator
from typing import TypeVar

from connectors.errors import Missing
from connectors.kubernetes import external_secrets, vault_secrets
from connectors.kubernetes.resources import collection, single
from connectors.kubernetes.seen import ObjectRef
from connectors.kubernetes.synced import SyncedSeen
from connectors.kubernetes.transport import Transport
from connectors.names import kind as known_kind

T = TypeVar("T")

OF_VAULT_SECRETS = ("VaultStaticSecret", "VaultDynamicSecret")
KINDS = frozenset({"ExternalSecret", *OF_VAULT_SECRETS})


def look(transport: Transport, namespace: str | None) -> list[SyncedSeen]:
    """In one namespace, or (`None`) in the whole cluster, at the cost of a list for each kind."""
    found = list(_all(transport, "ExternalSecret", namespace, external_secrets.ExternalSecret))
    stores = _stores(transport, namespace) if found else {}
    seen = [external_secrets.synced(each, stores) for each in found]
    for kind in OF_VAULT_SECRETS:
        listed = _all(transport, kind, namespace, vault_secrets.VaultSecret)
        seen += [vault_secrets.synced(kind, each) for each in listed]
    return seen


def read(transport: Transport, ref: ObjectRef) -> SyncedSeen:
    """Raises `Missing` when it is gone."""
    path = single(known_kind(ref.kind, KINDS), ref.namespace, ref.name)
    if ref.kind in OF_VAULT_SECRETS:
        return vault_secrets.synced(ref.kind, transport.get(path, vault_secrets.VaultSecret, what=str(ref)))
    found = transport.get(path, external_secrets.ExternalSecret, what=str(ref))
    return external_secrets.synced(found, _stores(transport, ref.namespace))


def _stores(transport: Transport, namespace: str | None) -> external_secrets.Stores:
    kinds = (("SecretStore", namespace), ("ClusterSecretStore", None))
    return {
        (kind, store.metadata.namespace, store.metadata.name): store
        for kind, within in kinds
        for store in _all(transport, kind, within, external_secrets.Store)
    }


def _all(transport: Transport, kind: str, namespace: str | None, item: type[T]) -> Iterator[T]:
    try:
        yield from transport.pages(collection(kind, namespace), item, what=f"{kind}s")
    except Missing:  # nobody installed the operator here
        return
