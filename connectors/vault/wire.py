"""The vault's answers, as far as we read them. No field for data: a value that came along is dropped while decoding."""

from datetime import datetime

import msgspec


class Engine(msgspec.Struct):
    type: str = ""
    options: dict[str, str] | None = None


class VisibleMounts(msgspec.Struct):
    secret: dict[str, Engine] = {}


class Version(msgspec.Struct):
    created_time: datetime | None = None
    deletion_time: str = ""
    destroyed: bool = False


class KvMetadata(msgspec.Struct):
    created_time: datetime | None = None
    updated_time: datetime | None = None
    current_version: int = 0
    max_versions: int = 0
    versions: dict[str, Version] = {}
    custom_metadata: dict[str, str] | None = None


class Subkeys(msgspec.Struct):
    subkeys: dict[str, dict[str, object] | None] = {}


class StaticRole(msgspec.Struct):
    username: str = ""
    db_name: str = ""
    rotation_period: int | None = None
    last_vault_rotation: datetime | None = None


class DynamicRole(msgspec.Struct):
    db_name: str = ""


class ConnectionDetails(msgspec.Struct):
    connection_url: str = ""  # a template: the vault puts name and password in, and shows neither


class Connection(msgspec.Struct):
    plugin_name: str = ""
    connection_details: ConnectionDetails = msgspec.field(default_factory=ConnectionDetails)


class Keys(msgspec.Struct):
    keys: list[str] = []


class Granted(msgspec.Struct):
    """A token and how long it lasts; 0 seconds is for ever."""

    client_token: str
    lease_duration: int = 0
    renewable: bool = False


class LookedUp(msgspec.Struct):
    ttl: int = 0
    renewable: bool = False


class HealthAnswer(msgspec.Struct):
    initialized: bool = False
    sealed: bool = True
    version: str = ""
