"""One vault, as the rest of Afterdeck sees it: which secrets there are and how old, never what they are.

Reads the metadata of KV v2 and the roles of the database engine; there is no call here that could return a value. What a rotation
has to read and write it does in the block of `rotating`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any, ClassVar

from connectors.errors import ConnectorError, Forbidden, InvalidName, Missing, ReadOnly
from connectors.names import VAULTS_OWN, vault_path
from connectors.names import kind as known_kind
from connectors.names import mount as mount_name
from connectors.postgres import DatabaseAt, address_of
from connectors.protocol import Health
from connectors.registry import register_connector
from connectors.vault import rotation
from connectors.vault.access import Access
from connectors.vault.configuration import VaultConfig
from connectors.vault.seen import DYNAMIC_ROLE, KV, STATIC_ROLE, MountSeen, SecretSeen, VersionSeen
from connectors.vault.session import Question, Session
from connectors.vault.wire import Connection, DynamicRole, Engine, Keys, KvMetadata, StaticRole, Subkeys, VisibleMounts

log = logging.getLogger(__name__)

DEEPEST = 16  # folders in a KV engine


@register_connector
class VaultServer:
    """Safe to share between threads. Logs in at the first call, not before."""

    kind: ClassVar[str] = "vault"

    def __init__(self, name: str, config: VaultConfig) -> None:
        self.name = name
        self.read_only = config.read_only
        self._session = Session(name, config)
        self.address = config.address_for_people or config.address
        self.access = Access(name, self._session, read_only=config.read_only)

    def health(self) -> Health:
        try:
            said = self._session.health()
            if said.sealed or not said.initialized:
                state = "sealed" if said.initialized else "not initialised"
                return self._health(False, f"The vault {self.name} answers, but it is {state}.", said.version)
            self._session.ask(lambda vault: vault.auth.token.lookup_self(), dict[str, Any], what="our own token")
        except ConnectorError as error:
            return self._health(False, error.sentence)
        return self._health(True, f"The vault {self.name} answers as version {said.version}.", said.version)

    def _health(self, ok: bool, sentence: str, version: str = "") -> Health:
        return Health(ok=ok, sentence=sentence, checked_at=datetime.now(UTC), version=version)

    def list_mounts(self) -> list[MountSeen]:
        """The secrets engines, with what we can list in each."""
        # Unlike sys/mounts this needs no right of its own, and shows only what the token can reach.
        visible = self._session.ask(
            lambda vault: vault.adapter.get("/v1/sys/internal/ui/mounts"), VisibleMounts, what="its secrets engines"
        )
        mounts = [MountSeen(path.rstrip("/"), e.type, _holds(e)) for path, e in sorted(visible.secret.items())]
        return [mount for mount in mounts if mount.path not in VAULTS_OWN]

    def list_secrets(self, mount: MountSeen) -> Iterator[SecretSeen]:
        """Every secret of one engine. One that we may not read, or cannot name in a call, is left out and logged."""
        mount_name(mount.path)
        for kind in mount.holds:
            paths = self._kv_paths(mount.path) if kind == KV else self._roles(kind, mount.path)
            for path in paths:
                try:
                    yield self.read_secret(kind, mount.path, path)
                except Forbidden as error:
                    log.warning("A secret in the vault %s is left out: %s", self.name, error.sentence)
                except Missing:  # deleted since the list was made
                    continue

    def read_secret(self, kind: str, mount: str, path: str) -> SecretSeen:
        """Raises `Missing` when it is gone."""
        known_kind(kind, frozenset(_READERS))
        mount_name(mount)
        vault_path(path)
        return _READERS[kind](self._session, mount, path)

    def keys_of(self, mount: str, path: str) -> list[str]:
        """What the current version of a KV secret has values for, in order. The vault says the names and keeps the values."""
        mount_name(mount)
        vault_path(path)
        found = self._session.ask(
            lambda vault: vault.adapter.get(f"/v1/{mount}/subkeys/{path}?depth=1"),
            Subkeys,
            what=f"keys of {mount}/{path}",
        )
        return sorted(found.subkeys)

    def database_of(self, mount: str, connection: str) -> DatabaseAt | None:
        """Where a database of the engine is, when it is a PostgreSQL. Its address comes without a credential."""
        mount_name(mount)
        vault_path(connection)
        found = self._session.ask(
            lambda vault: vault.secrets.database.read_connection(name=connection, mount_point=mount),
            Connection,
            what=f"database {mount}/{connection}",
        )
        return address_of(found.connection_details.connection_url) if "postgres" in found.plugin_name else None

    def lease_ids(self, mount: str, role: str) -> list[str]:
        """The leases of a dynamic role, by which they can be looked up and ended, not used."""
        folder = f"{mount_name(mount)}/creds/{vault_path(role)}/"
        found = self._keys(lambda vault: vault.sys.list_leases(prefix=folder), folder)
        return [folder + key for key in found]

    def can_rotate(self) -> bool:
        """Whether an administrator made the token role that `rotating` needs."""
        try:
            self._session.ask(
                lambda vault: vault.auth.token.read_role(rotation.ROLE),
                dict[str, Any],
                what=f"token role {rotation.ROLE}",
            )
        except (Missing, Forbidden):
            return False
        return True

    @contextmanager
    def rotating(self, *, as_: str, execution: str) -> Iterator[rotation.Rotation]:
        """What may read and write values, for one step of a run. The vault's audit log shows the run and the person with each call.

        Raises `ReadOnly`.
        """
        if self.read_only:
            raise ReadOnly(f"The vault {self.name} is connected for reading only. Nothing was sent.")
        notes = {"execution": execution, "person": as_}
        with self._session.borrowed(rotation.ROLE, display_name=f"afterdeck-{execution}", notes=notes) as borrowed:
            yield rotation.Rotation(borrowed)

    def _kv_paths(self, mount: str) -> Iterator[str]:
        folders = [""]
        while folders:
            folder = folders.pop()
            question = partial(_list_folder, mount=mount, folder=folder)
            for key in self._keys(question, mount):
                path = folder + key
                if not path.endswith("/"):
                    yield path
                elif path.count("/") <= DEEPEST:
                    folders.append(path)

    def _roles(self, kind: str, mount: str) -> list[str]:
        method = "list_static_roles" if kind == STATIC_ROLE else "list_roles"
        return self._keys(lambda vault: getattr(vault.secrets.database, method)(mount_point=mount), mount)

    def _keys(self, question: Question, mount: str) -> list[str]:
        """The usable keys of a LIST. An empty folder answers 404."""
        try:
            keys = self._session.ask(question, Keys, what=f"list of {mount}").keys
        except Missing:
            return []
        return [key for key in keys if self._usable(key, mount)]

    def _usable(self, key: str, mount: str) -> bool:
        try:
            vault_path(key.removesuffix("/"))
        except InvalidName as error:
            log.warning("A name in the vault %s under %s is left out: %s", self.name, mount, error.sentence)
            return False
        return True


def _list_folder(vault: Any, *, mount: str, folder: str) -> Any:
    return vault.secrets.kv.v2.list_secrets(path=folder, mount_point=mount)


def _holds(engine: Engine) -> tuple[str, ...]:
    if engine.type == "database":
        return STATIC_ROLE, DYNAMIC_ROLE
    if engine.type == "kv" and (engine.options or {}).get("version") == "2":
        return (KV,)
    return ()


def _read_kv(session: Session, mount: str, path: str) -> SecretSeen:
    found = session.ask(
        lambda vault: vault.secrets.kv.v2.read_secret_metadata(path=path, mount_point=mount),
        KvMetadata,
        what=f"secret {mount}/{path}",
    )
    labels = found.custom_metadata or {}
    current = found.versions.get(str(found.current_version))
    return SecretSeen(
        mount=mount,
        path=path,
        kind=KV,
        version=found.current_version,
        versions=len(found.versions),
        kept=tuple(
            VersionSeen(int(number), each.created_time, each.destroyed or each.deletion_time != "")
            for number, each in sorted(found.versions.items(), key=lambda item: int(item[0]))
        ),
        keeps=found.max_versions,
        deleted=current is not None and (current.destroyed or current.deletion_time != ""),
        created_at=found.created_time,
        changed_at=found.updated_time,
        owner=labels.get("owner", ""),
        consumer=labels.get("consumer", ""),
        login=labels.get("afterdeck-login", ""),
        copies=tuple(filter(None, (place.strip() for place in labels.get("afterdeck-copies", "").split(",")))),
        note=labels.get(rotation.NOTE, ""),
    )


def _read_static_role(session: Session, mount: str, name: str) -> SecretSeen:
    found = session.ask(
        lambda vault: vault.secrets.database.read_static_role(name=name, mount_point=mount),
        StaticRole,
        what=f"static role {mount}/{name}",
    )
    return SecretSeen(
        mount=mount,
        path=name,
        kind=STATIC_ROLE,
        changed_at=found.last_vault_rotation,
        rotation_seconds=found.rotation_period,
        username=found.username,
        connection=found.db_name,
    )


def _read_dynamic_role(session: Session, mount: str, name: str) -> SecretSeen:
    found = session.ask(
        lambda vault: vault.secrets.database.read_role(name=name, mount_point=mount),
        DynamicRole,
        what=f"dynamic role {mount}/{name}",
    )
    return SecretSeen(mount, name, DYNAMIC_ROLE, connection=found.db_name)


_READERS = {KV: _read_kv, STATIC_ROLE: _read_static_role, DYNAMIC_ROLE: _read_dynamic_role}
