"""What we saw in a vault: plain frozen values that travel upwards. None of them has room for a secret."""

from dataclasses import dataclass
from datetime import datetime

KV = "kv-v2"
STATIC_ROLE = "database-static-role"
DYNAMIC_ROLE = "database-dynamic-role"


@dataclass(frozen=True, slots=True)
class MountSeen:
    """A secrets engine. `holds` says which kinds of secret we can list in it: none, for an engine that we do not
    know.
    """

    path: str
    engine: str
    holds: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class VersionSeen:
    """Of a KV secret. `gone`: deleted or destroyed, so that nobody can read it."""

    number: int
    created_at: datetime | None
    gone: bool


@dataclass(frozen=True, slots=True)
class SecretSeen:
    """That a secret exists, and its age."""

    mount: str
    path: str
    kind: str
    version: int | None = None  # of KV: the current one
    versions: int = 0  # of KV: how many are kept
    kept: tuple[VersionSeen, ...] = ()  # of KV: which, oldest first
    keeps: int = 0  # of KV: how many at most; 0: as its engine says
    deleted: bool = False  # of KV: the current version is deleted or destroyed
    created_at: datetime | None = None
    changed_at: datetime | None = None  # the last new version, or the last rotation
    rotation_seconds: int | None = None  # of a static role: how often the vault itself changes the password
    username: str = ""  # of a static role
    connection: str = ""  # of a role: which database of the engine
    owner: str = ""  # of KV: the custom metadata `owner`, a team
    consumer: str = ""  # of KV: the custom metadata `consumer`, a service
    login: str = ""  # of KV: the custom metadata `afterdeck-login`, where its username and password open a database
    copies: tuple[str, ...] = ()  # of KV: the custom metadata `afterdeck-copies`, each "cluster/namespace/name"
    note: str = ""  # of KV: the custom metadata `afterdeck-rotation`, our own; other keys are not ours to show
