"""The vault with all rights: what its administrator, a secret's reader or somebody else does while we look, and what it recorded of us."""

import json
from typing import Any

import hvac

from sandbox.stack import Endpoints


class Vault:
    def __init__(self, endpoints: Endpoints) -> None:
        self.address = endpoints.vault_address
        self._audit_log = endpoints.vault_audit_log
        self._from = self._audit_log.stat().st_size  # what was before is somebody else's
        self.root = hvac.Client(url=self.address, token=endpoints.vault_root_token_file.read_text().strip())

    def entries(self) -> list[dict[str, Any]]:
        """The requests that the vault's own audit log has since this was made. It is written before the vault answers."""
        with self._audit_log.open("rb") as log:
            log.seek(self._from)
            entries = [json.loads(line) for line in log.read().splitlines()]
        return [entry for entry in entries if entry["type"] == "request"]

    def requests(self, path: str) -> list[str]:
        """What was asked about paths that contain `path`."""
        asked = [entry["request"] for entry in self.entries()]
        return [f"{request['operation']} {request['path']}" for request in asked if path in request["path"]]

    def value(self, path: str, version: int | None = None) -> dict[str, Any]:
        """What whoever reads the secret gets."""
        found = self.root.secrets.kv.v2.read_secret_version(path, version=version, raise_on_deleted_version=True)
        value: dict[str, Any] = found["data"]["data"]
        return value

    def forget(self, folder: str) -> None:
        kv = self.root.secrets.kv.v2
        for key in kv.list_secrets(path=folder)["data"]["keys"]:
            kv.delete_metadata_and_all_versions(path=f"{folder}/{key}")
