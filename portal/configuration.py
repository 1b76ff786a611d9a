"""Settings from the environment, checked at start-up.

A wrong or missing setting ends the process with one line per problem, naming the variable: a portal that starts half-configured
fails later, and worse.
"""

import sys
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AnyHttpUrl, BaseModel, Field, PostgresDsn, RedisDsn, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict


class ClusterSettings(BaseModel):
    kubeconfig: Path
    context: str | None = None
    simulated: bool = False
    read_only: bool = False
    server_for_people: str = ""
    team: str = Field(default="", pattern=r"\A[a-z0-9-]{0,63}\z")
    """Who looks after its nodes: the owner of the service `cluster-<name>`."""


class VaultSettings(BaseModel):
    address: str
    token_file: Path | None = None
    role_id_file: Path | None = None
    secret_id_file: Path | None = None
    read_only: bool = False
    address_for_people: str = ""


class SmtpSettings(BaseModel):
    host: str
    port: int = Field(default=587, ge=1, le=65535)
    encryption: Literal["starttls", "tls", "none"] = "starttls"
    username: str = ""
    password_file: Path | None = None
    sender: str = Field(pattern=r"\A[^\s@]+@[^\s@]+\z")


class SlackSettings(BaseModel):
    bot_token_file: Path
    signing_secret_file: Path
    api: str = "https://slack.com/api/"


Host = Annotated[str, Field(pattern=r"\A(\[[0-9A-Fa-f:]+\]|[A-Za-z0-9.-]{1,253})(:[0-9]{1,5})?\z")]
"""A host name or an address, with a port if it is not that of https."""


class Configuration(BaseSettings):
    """Each field is the environment variable AFTERDECK_<NAME IN CAPITALS>. See docs/operations.md."""

    model_config = SettingsConfigDict(env_prefix="AFTERDECK_", env_file=None, extra="ignore")

    secret_key: SecretStr = Field(min_length=32)
    database_url: PostgresDsn
    owner_database_url: PostgresDsn | None = None
    valkey_url: RedisDsn
    allowed_hosts: Annotated[list[str], NoDecode] = ["localhost", "127.0.0.1"]
    base_url: AnyHttpUrl = AnyHttpUrl("http://localhost:8000")
    clusters: dict[str, ClusterSettings] = {}
    vaults: dict[str, VaultSettings] = {}
    policy_dir: Path | None = None
    policy_approvals: int = Field(default=0, ge=0, le=10)
    """So many administrators agree before what the policy files hold decides."""
    smtp: SmtpSettings | None = None
    slack: SlackSettings | None = None
    webhook_hosts: Annotated[list[Host], NoDecode] = []
    webhook_private_hosts: Annotated[list[Host], NoDecode] = []
    log_level: str = "INFO"
    debug: bool = False
    request_expiry_hours: int = Field(default=24, ge=1, le=24 * 30)
    soak_seconds: int = Field(default=30, ge=0, le=3600)
    lease_seconds: int = Field(default=30, ge=2, le=600)
    poll_seconds: float = Field(default=1.0, ge=0.1, le=60)
    discovery_seconds: int = Field(default=10, ge=2, le=3600)

    @field_validator("allowed_hosts", "webhook_hosts", "webhook_private_hosts", mode="before")
    @classmethod
    def split_hosts(cls, value: object) -> object:
        return [host.strip() for host in value.split(",") if host.strip()] if isinstance(value, str) else value

    @field_validator("log_level")
    @classmethod
    def known_level(cls, value: str) -> str:
        if value.upper() not in {"DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"}:
            raise ValueError("use DEBUG, INFO, WARNING, ERROR or CRITICAL")
        return value.upper()


def load() -> Configuration:
    """Read the environment, or exit with a sentence for each problem."""
    try:
        return Configuration()
    except ValidationError as problem:
        lines = ["Afterdeck cannot start: its settings are wrong."]
        for error in problem.errors(include_input=False, include_url=False):
            where = [str(part) for part in error["loc"]]
            variable = "AFTERDECK_" + where[0].upper()
            inside = f" ({'.'.join(where[1:])})" if where[1:] else ""
            lines.append(f"  {variable}{inside}: {error['msg']}")
        lines.append("docs/operations.md explains each of them; `make demo` needs none.")
        sys.exit("\n".join(lines))
