"""What an administrator says about a vault: where it is, and which of two ways to log in."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class VaultConfig:
    """Either `token_file`, or `role_id_file` with `secret_id_file` (AppRole)."""

    address: str
    token_file: Path | None = None
    role_id_file: Path | None = None
    secret_id_file: Path | None = None
    read_only: bool = False
    address_for_people: str = ""  # where people reach it, when that is not where we do

    def __post_init__(self) -> None:
        approle = self.role_id_file is not None and self.secret_id_file is not None
        if (self.token_file is not None) == approle:
            raise ValueError("A vault needs either token_file, or both role_id_file and secret_id_file.")
        if not self.address.startswith(("https://", "http://")):
            raise ValueError("The address of a vault begins with https:// or http://.")
