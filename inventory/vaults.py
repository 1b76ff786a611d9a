"""Pointers to the secrets of a vault: that they exist, how old they are, who reads them. Never what they are."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from connectors.vault import VaultServer
from connectors.vault.seen import DYNAMIC_ROLE, KV, STATIC_ROLE, SecretSeen

from . import consumers
from .models import Secret, Service, Vault

log = structlog.get_logger(__name__)

BATCH = 500
KINDS = {KV: Secret.Kind.KV2, STATIC_ROLE: Secret.Kind.STATIC_ROLE, DYNAMIC_ROLE: Secret.Kind.DYNAMIC_ROLE}
SEEN = ("kind", "service_id", "version", "rotated_at", "rotate_every", "gone_at")


@dataclass(frozen=True)
class Kept:
    """What a look at a vault changed."""

    secrets: int
    written: int
    gone: int


def look(vault: VaultServer) -> list[SecretSeen]:
    """Every secret there is, by its metadata. Raises the connector's errors."""
    seen = [secret for mount in vault.list_mounts() for secret in vault.list_secrets(mount)]
    return [secret for secret in seen if not secret.deleted]


@transaction.atomic
def keep(vault: Vault, seen: Sequence[SecretSeen], *, at: datetime) -> Kept:
    """Make the rows of a vault say what was seen there. `seen` is all there is: what is missing is gone."""
    services = Service.objects.in_bulk({secret.consumer for secret in seen if secret.consumer}, field_name="slug")
    readers = consumers.only_readers(vault)
    rows: dict[tuple[str, str], Secret] = {}
    for secret in seen:
        service = services.get(secret.consumer)
        row = _row(vault, secret, service.pk if service else readers.get((secret.mount, secret.path)), at)
        if rows.setdefault((row.mount, row.path), row) is not row:
            log.warning("discovery.secret_twice", vault=vault.name, mount=row.mount, path=row.path, kind=row.kind)
    before = {(row.mount, row.path): row for row in Secret.objects.filter(vault=vault)}
    written = [row for key, row in rows.items() if key not in before or _differs(before[key], row)]
    Secret.objects.bulk_create(
        written,
        BATCH,
        update_conflicts=True,
        unique_fields=["vault", "mount", "path"],
        update_fields=[name.removesuffix("_id") for name in SEEN],
    )
    gone = [row.pk for key, row in before.items() if key not in rows and row.gone_at is None]
    if gone:
        Secret.objects.filter(pk__in=gone).update(gone_at=at)
    Secret.objects.filter(vault=vault, gone_at=None).update(seen_at=at)
    consumers.place()
    vault.seen_at = at
    vault.save(update_fields=["seen_at"])
    return Kept(len(rows), len(written), len(gone))


def _row(vault: Vault, seen: SecretSeen, service: int | None, at: datetime) -> Secret:
    return Secret(
        vault=vault,
        mount=seen.mount,
        path=seen.path,
        kind=KINDS[seen.kind],
        service_id=service,
        version=seen.version,
        rotated_at=seen.changed_at,
        rotate_every=timedelta(seconds=seen.rotation_seconds) if seen.rotation_seconds else None,
        seen_at=at,
    )


def _differs(before: Secret, now: Secret) -> bool:
    return any(getattr(before, name) != getattr(now, name) for name in SEEN)
