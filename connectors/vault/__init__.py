"""Vault or OpenBao: where secrets are and how old they are. Never what they are."""

from connectors.vault.configuration import VaultConfig
from connectors.vault.server import VaultServer

__all__ = ["VaultConfig", "VaultServer"]
