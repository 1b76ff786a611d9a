"""Whether a credential opens a PostgreSQL database: tried as its user would, by logging in.

The only question that proves a rotation. The password goes out as SCRAM or not at all, so that whoever put an address of
their own into a vault's metadata is not handed it.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import parse_qs, urlsplit

import psycopg

TIMEOUT = 3  # seconds to connect
SCHEMES = ("postgresql", "postgres")
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
REFUSED = ("password authentication failed", "is not permitted to log in")
"""Of a server's refusal libpq passes on only the text. Anything else is not taken for one."""

_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252})|[0-9A-Fa-f:]{2,45}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_$.-]{0,62}", re.ASCII)


@dataclass(frozen=True, slots=True)
class DatabaseAt:
    """Where a database is, without who logs in."""

    host: str
    port: int
    name: str
    ssl_mode: str = "prefer"

    def __str__(self) -> str:
        return f"{self.host}:{self.port}/{self.name}"

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"postgresql://{host}:{self.port}/{self.name}?sslmode={self.ssl_mode}"


class Login(StrEnum):
    ACCEPTED = "accepted"
    REFUSED = "refused"
    NOT_TRIED = "not tried"
    """Nobody answered, or not in a way that says anything about the password."""


@dataclass(frozen=True, slots=True)
class Tried:
    login: Login
    sentence: str


@dataclass(frozen=True, slots=True)
class Users:
    """What a database says about who may log in: every role, and how many sessions go on of roles that are gone."""

    roles: frozenset[str]
    orphaned_sessions: int


def address_of(url: str) -> DatabaseAt | None:
    """Where `postgresql://host:port/name` points, whatever stands before the `@`; `None` when it is no such address."""
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        return None
    name, mode = parts.path.removeprefix("/"), parse_qs(parts.query).get("sslmode", ["prefer"])[0]
    if parts.scheme not in SCHEMES or mode not in SSL_MODES:
        return None
    host = parts.hostname or ""
    if not _HOST.fullmatch(host) or not _NAME.fullmatch(name):
        return None
    return DatabaseAt(host, port, name, mode)


def try_login(at: DatabaseAt, username: str, password: str) -> Tried:
    """Log in and out again. Never raises: what could not be tried is an answer too."""
    try:
        with _connected(at, username, password):
            return Tried(Login.ACCEPTED, f"{username} logs in to {at}.")
    except psycopg.Error as error:
        refused = any(text in str(error) for text in REFUSED)
    if refused:
        return Tried(Login.REFUSED, f"{at} refuses {username}.")
    return Tried(Login.NOT_TRIED, f"{at} could not be asked.")


def users(at: DatabaseAt, username: str, password: str) -> Users | None:
    """What is seen there, or `None` when it could not be asked."""
    try:
        with _connected(at, username, password) as connection:
            roles = frozenset(str(name) for (name,) in connection.execute("SELECT rolname FROM pg_roles"))
            [(orphaned,)] = connection.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE usesysid IS NOT NULL AND usename IS NULL"
            )
    except psycopg.Error:
        return None
    return Users(roles, int(orphaned))


def _connected(at: DatabaseAt, username: str, password: str) -> psycopg.Connection[tuple[str | int, ...]]:
    return psycopg.connect(
        host=at.host,
        port=at.port,
        dbname=at.name,
        user=username,
        password=password,
        connect_timeout=TIMEOUT,
        sslmode=at.ssl_mode,
        sslrootcert="system" if at.ssl_mode.startswith("verify") else None,
        require_auth="scram-sha-256",
        application_name="afterdeck",
        options="-c statement_timeout=3000",
    )
