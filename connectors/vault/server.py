"""One vault, as the rest of Afterdeck sees it: which secrets there are and how old, never what they are."""

from typing import ClassVar

from connectors.protocol import Health
from connectors.registry import register_connector
from connectors.vault.configuration import VaultConfig


@register_connector
class VaultServer:
    kind: ClassVar[str] = "vault"

    def __init__(self, name: str, config: VaultConfig) -> None:
        self.name = name
        self.read_only = config.read_only

    def health(self) -> Health:
        raise NotImplementedError
