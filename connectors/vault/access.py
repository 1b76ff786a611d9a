"""Access to a vault, or to a database through it, for a while: a token that the vault itself ends on time.

Each grant has an orphan token of its own by the token role `afterdeck-access`, with `explicit_max_ttl`: it outlives the portal's login and
nothing prolongs it. Only its accessor stays with us, which can end it and cannot use it. A database login hangs below such a token as a
lease, so it ends with it. A credential leaves by response wrapping: whoever unwraps it first has it, and a second try shows that
somebody did.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from connectors.errors import Forbidden, InvalidName, Missing, Permanent, ReadOnly
from connectors.names import count, vault_path
from connectors.names import mount as mount_name
from connectors.vault.session import Session

ROLE = "afterdeck-access"
PREFIX = "access-"  # the policies that can be given: the glob of the token role
DATABASE_POLICY = "access-database"
CHOICE = "access"  # the key of a secret's custom metadata that names the policies people may get for it
SLACK = 5  # seconds by which the vault itself lets a database user outlive its lease

_POLICY_PATH = re.compile(r'path\s+"([^"]*)"')
_POLICY_NAME = re.compile(r"access-[a-z0-9][a-z0-9_-]{0,100}", re.ASCII)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PolicySeen:
    name: str
    text: str
    paths: tuple[str, ...]

    @property
    def version(self) -> str:
        return _digest(self.text)

    @property
    def lines(self) -> tuple[str, ...]:
        """What it says, without remarks and empty lines."""
        kept = (line.strip() for line in self.text.splitlines())
        return tuple(line for line in kept if line and not line.startswith("#"))

    @property
    def unfit(self) -> str:
        """Why it must not be given to anybody for a while; empty for one that may."""
        if not self.paths:
            return "It names no path that can be read here."
        if "sudo" in " ".join(self.lines):
            return "It allows sudo."
        for path in self.paths:
            if path.split("/")[0] in ("sys", "auth", "identity") or path[:1] in ("*", "+", ""):
                return f"It reaches {path or 'everything'}, with which access can be made that does not end."
        return ""


@dataclass(frozen=True, slots=True)
class DynamicRoleSeen:
    """A role of the database engine that makes a user for each login."""

    connection: str  # which database of the engine
    making: tuple[str, ...]  # the SQL, as a template: the vault puts name and password in
    version: str  # changes with the SQL
    longest_seconds: int  # 0: as long as the vault allows
    valid_until: bool  # the database itself ends the login, also when the vault is dead
    ends_sessions: bool


@dataclass(frozen=True, slots=True)
class Opened:
    """A token, on its way to somebody."""

    token: str = field(repr=False)
    accessor: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Login:
    username: str
    password: str = field(repr=False)
    lease: str


class Access:
    """One vault's grants. Safe to share between threads."""

    def __init__(self, vault: str, session: Session, *, read_only: bool) -> None:
        self._vault, self._session, self._read_only = vault, session, read_only

    # What can be given, and what is there

    def longest_seconds(self) -> int:
        """What the administrator's token role allows at most; 0: as long as the vault does. Raises `Missing`, `Forbidden`."""
        found = self._session.ask(lambda vault: vault.auth.token.read_role(ROLE), _TokenRole, what=f"token role {ROLE}")
        return found.token_explicit_max_ttl

    def choices(self, mount: str, path: str) -> tuple[str, ...]:
        """The policies that a secret's custom metadata `access` names, of those that can be given at all."""
        mount_name(mount)
        vault_path(path)
        found = self._session.ask(
            lambda vault: vault.secrets.kv.v2.read_secret_metadata(path=path, mount_point=mount),
            _Metadata,
            what=f"secret {mount}/{path}",
        )
        named = re.split(r"[\s,]+", (found.custom_metadata or {}).get(CHOICE, ""))
        return tuple(dict.fromkeys(name for name in named if _POLICY_NAME.fullmatch(name)))

    def policy(self, name: str) -> PolicySeen:
        """Raises `Missing`."""
        _policy_name(name)
        found = self._session.ask(
            lambda vault: vault.adapter.get(f"/v1/sys/policies/acl/{name}"), _Policy, what=f"policy {name}"
        )
        return PolicySeen(name, found.policy, tuple(_POLICY_PATH.findall(found.policy)))

    def dynamic_role(self, mount: str, name: str) -> DynamicRoleSeen:
        mount_name(mount)
        vault_path(name)
        found = self._session.ask(
            lambda vault: vault.secrets.database.read_role(name=name, mount_point=mount),
            _DynamicRole,
            what=f"dynamic role {mount}/{name}",
        )
        making, ending = " ".join(found.creation_statements).upper(), " ".join(found.revocation_statements).lower()
        return DynamicRoleSeen(
            connection=found.db_name,
            making=tuple(found.creation_statements),
            version=_digest(msgspec.json.encode(found).decode()),
            longest_seconds=found.max_ttl,
            valid_until="VALID UNTIL" in making,
            ends_sessions="pg_terminate_backend" in ending,
        )

    def expires_at(self, accessor: str) -> datetime | None:
        """When the token of that accessor ends; `None` when there is no such token any more."""
        _accessor(accessor)
        try:
            found = self._session.ask(
                lambda vault: vault.auth.token.lookup_accessor(accessor),
                _LookedUp,
                what="a token's accessor",
            )
        except (
            Missing,
            Permanent,
            Forbidden,
        ) as refusal:  # the vault has answered 403, 404 and 500 to one that is gone
            if "accessor" in refusal.detail:
                return None
            raise
        return datetime.now(UTC) + timedelta(seconds=found.ttl)

    def may(self, accessor: str, path: str) -> frozenset[str]:
        """What the vault says the token of that accessor could do with a path."""
        question = {"accessor": _accessor(accessor), "paths": [vault_path(path)]}
        found = self._session.ask(
            lambda vault: vault.adapter.post("/v1/sys/capabilities-accessor", json=question),
            dict[str, Any],
            what="what a token may do",
        )
        return frozenset(map(str, found.get(path, ())))

    def has_lease(self, lease: str) -> bool:
        _lease(lease)
        try:
            self._session.ask(
                lambda vault: vault.sys.read_lease(lease_id=lease), dict[str, Any], what="a database login"
            )
        except (Missing, Permanent) as refusal:
            if "lease" in refusal.detail:
                return False
            raise
        return True

    # What is given and taken

    def open(self, policy: str, seconds: int, *, person: str, mark: str) -> Opened:
        """A token with this one policy that ends after so many seconds, whatever anybody does.

        The vault's audit log shows the person and the mark of the grant with everything done with it.
        """
        _policy_name(policy)
        lasts = f"{count(seconds, 'a number of seconds', least=1)}s"
        self._refuse_to_write()
        made = self._session.tell(
            lambda vault: vault.auth.token.create(
                role_name=ROLE, policies=[policy], ttl=lasts, explicit_max_ttl=lasts, renewable=False,
                display_name=f"afterdeck-{mark}", meta={"person": person, "grant": mark},
            ),
            _Created,
            what=f"a token with the policy {policy}",
        ).auth  # fmt: skip
        return Opened(made.client_token, made.accessor, datetime.now(UTC) + timedelta(seconds=made.lease_duration))

    def login(self, opened: Opened, mount: str, role: str, seconds: int) -> Login:
        """Let the database engine make a user that is valid for so many seconds, under a token opened for it."""
        path = f"{mount_name(mount)}/creds/{vault_path(role)}"
        self._refuse_to_write()
        borrowed = self._session.holding(opened.token)
        made = borrowed.tell(lambda vault: vault.adapter.get(f"/v1/{path}"), what=f"a login by {mount}/{role}")
        found = msgspec.convert(made, _LeasedLogin)
        if found.lease_duration != seconds:  # its `VALID UNTIL` moves along
            increment = count(max(seconds - SLACK, 1), "a number of seconds", least=1)
            borrowed.tell(
                lambda vault: vault.adapter.put(
                    f"/v1/sys/leases/renew/{_lease(found.lease_id)}", json={"increment": increment}
                ),
                what=f"how long a login by {mount}/{role} lasts",
            )
        return Login(found.data.username, found.data.password, found.lease_id)

    def end_login(self, lease: str) -> None:
        """Drop the database user and end its sessions, and come back when that is done. One that is gone is as good as ended."""
        _lease(lease)
        self._refuse_to_write()
        self._told_unless_gone(
            lambda vault: vault.adapter.put(f"/v1/sys/leases/revoke/{lease}", json={"sync": True}),
            "a database login", "lease",
        )  # fmt: skip

    def close(self, accessor: str) -> None:
        """End the token of that accessor, and whatever hangs below it. One that is gone is as good as ended."""
        _accessor(accessor)
        self._refuse_to_write()
        self._told_unless_gone(
            lambda vault: vault.auth.token.revoke_accessor(accessor), "a token by its accessor", "accessor"
        )

    def _told_unless_gone(self, order: Callable[[Any], Any], what: str, word: str) -> None:
        try:
            self._session.tell(order, Any, what=what)
        except (Missing, Permanent, Forbidden) as refusal:
            if word not in refusal.detail:
                raise

    # How a credential leaves

    def wrap(self, values: Mapping[str, str], seconds: int) -> str:
        """A token that gives the values to the first who unwraps it, within so many seconds."""
        wrapped = self._session.tell(
            lambda vault: vault.sys.wrap(payload=dict(values), ttl=count(seconds, "a number of seconds", least=1)),
            _Wrapped,
            what="a credential to be wrapped",
        )
        return wrapped.wrap_info.token

    def unwrap(self, token: str) -> Mapping[str, str]:
        """Raises `Missing` when somebody has unwrapped it, or its time is over."""
        if not re.fullmatch(r"[A-Za-z0-9._-]{8,256}", token, re.ASCII):
            raise InvalidName("This is no wrapping token.")
        try:
            opened = self._session.holding(token).tell(
                lambda vault: vault.adapter.post("/v1/sys/wrapping/unwrap"), what="a wrapped credential"
            )
        except (Permanent, Forbidden) as refusal:
            raise Missing(
                "It was looked at already, or its time is over. If that was not you, somebody else has it: give the access back.",
                refusal.detail,
            ) from None
        return msgspec.convert(opened, _Unwrapped).data

    def _refuse_to_write(self) -> None:
        if self._read_only:
            raise ReadOnly(f"The vault {self._vault} is connected for reading only. Nothing was sent.")


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _policy_name(name: str) -> str:
    if not _POLICY_NAME.fullmatch(name):
        raise InvalidName(f"{name[:60]!a} cannot be given: the policies for that begin with {PREFIX}.")
    return name


def _accessor(accessor: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{8,256}", accessor, re.ASCII):
        raise InvalidName("This is no accessor of a token.")
    return accessor


def _lease(lease: str) -> str:
    return vault_path(lease, "a lease")


class _TokenRole(msgspec.Struct):
    token_explicit_max_ttl: int = 0


class _Metadata(msgspec.Struct):
    custom_metadata: dict[str, str] | None = None


class _Policy(msgspec.Struct):
    policy: str = ""


class _DynamicRole(msgspec.Struct):
    db_name: str = ""
    max_ttl: int = 0
    creation_statements: list[str] = []
    revocation_statements: list[str] = []


class _LookedUp(msgspec.Struct):
    ttl: int = 0


class _Auth(msgspec.Struct):
    client_token: str
    accessor: str
    lease_duration: int = 0


class _Created(msgspec.Struct):
    auth: _Auth


class _LoginData(msgspec.Struct):
    username: str
    password: str


class _LeasedLogin(msgspec.Struct):
    lease_id: str
    lease_duration: int
    data: _LoginData


class _WrapInfo(msgspec.Struct):
    token: str


class _Wrapped(msgspec.Struct):
    wrap_info: _WrapInfo


class _Unwrapped(msgspec.Struct):
    data: dict[str, str]
