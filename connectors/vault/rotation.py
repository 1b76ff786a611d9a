"""What a rotation does in a vault, with a token that exists for one step of one run.

The portal's own token can see that a secret exists, and neither read nor write a value. So each step that must do either takes a
child token of the role `afterdeck-rotation`: it ends with the step, and its name and notes put the run and the person into the
vault's own audit log, beside every single call. Values come out of here as values and go nowhere but into the next call.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import msgspec

from connectors.errors import InvalidName
from connectors.names import mount as mount_name
from connectors.names import vault_path
from connectors.vault.session import Borrowed

ROLE = "afterdeck-rotation"
NOTE = "afterdeck-rotation"
"""The key of a secret's custom metadata in which a run says what it is about to write."""

MERGE = {"Content-Type": "application/merge-patch+json"}


class _Version(msgspec.Struct):
    data: dict[str, Any]


class _Login(msgspec.Struct):
    username: str
    password: str


@dataclass(frozen=True, slots=True)
class Credential:
    username: str
    password: str = field(repr=False)


class Rotation:
    """Every write is sent once. Raises `Conflict` where a version is given and is not the current one, `Unknown` when no answer says
    whether it happened, `Forbidden`, `Missing`, `Permanent`.
    """

    def __init__(self, borrowed: Borrowed) -> None:
        self._borrowed = borrowed

    # Key/value, version 2

    def note(self, mount: str, path: str, text: str) -> None:
        """Say in the secret's metadata what is about to be, or was, written. Other notes stay as they are."""
        self._patch(mount, "metadata", path, {"custom_metadata": {NOTE: text}})

    def values(self, mount: str, path: str, version: int) -> Mapping[str, Any]:
        """What a version holds. `Missing` when it is deleted or destroyed."""
        mount_name(mount)
        vault_path(path)
        found = self._borrowed.ask(
            lambda vault: vault.secrets.kv.v2.read_secret_version(
                path=path, version=version, mount_point=mount, raise_on_deleted_version=True
            ),
            _Version,
            what=f"version {version} of {mount}/{path}",
        )
        return found.data

    def merge(self, mount: str, path: str, values: Mapping[str, Any], *, seen: int) -> None:
        """Write these keys as the version after `seen`, and keep the others, which nobody has to read for that."""
        self._patch(mount, "data", path, {"options": {"cas": seen}, "data": dict(values)})

    def replace(self, mount: str, path: str, values: Mapping[str, Any], *, seen: int) -> None:
        """Write exactly these keys as the version after `seen`."""
        mount_name(mount)
        vault_path(path)
        self._borrowed.tell(
            lambda vault: vault.secrets.kv.v2.create_or_update_secret(path=path, secret=dict(values), cas=seen, mount_point=mount),
            what=f"{mount}/{path}",
        )  # fmt: skip

    def destroy(self, mount: str, path: str, version: int) -> None:
        """For good: nobody can bring the version back. Destroying it twice is destroying it once."""
        mount_name(mount)
        vault_path(path)
        self._borrowed.tell(
            lambda vault: vault.secrets.kv.v2.destroy_secret_versions(path=path, versions=[version], mount_point=mount),
            what=f"version {version} of {mount}/{path}",
        )

    def _patch(self, mount: str, part: str, path: str, content: Mapping[str, Any]) -> None:
        # hvac's own `patch` reads the whole secret and writes it again.
        address = f"/v1/{mount_name(mount)}/{part}/{vault_path(path)}"
        self._borrowed.tell(
            lambda vault: vault.adapter.request("patch", address, headers=MERGE, json=content), what=f"{mount}/{path}"
        )

    # Roles of the database engine

    def rotate_role(self, mount: str, name: str) -> None:
        """Let the vault give the database user of a static role a new password. From then on the database knows only that."""
        mount_name(mount)
        vault_path(name)
        self._borrowed.tell(
            lambda vault: vault.secrets.database.rotate_static_role_credentials(name=name, mount_point=mount),
            what=f"{mount}/{name}",
        )

    def credential(self, mount: str, name: str) -> Credential:
        """Who a static role is now."""
        return self._login(mount, name, "get_static_credentials")

    def lease(self, mount: str, name: str) -> Credential:
        """A user of a dynamic role's making, that ends with this token."""
        return self._login(mount, name, "generate_credentials")

    def _login(self, mount: str, name: str, method: str) -> Credential:
        mount_name(mount)
        vault_path(name)
        found = self._borrowed.ask(
            lambda vault: getattr(vault.secrets.database, method)(name=name, mount_point=mount),
            _Login,
            what=f"the credential of {mount}/{name}",
        )
        return Credential(found.username, found.password)

    def revoke(self, lease: str) -> None:
        """End it now: the vault answers when the database user is gone. Ending it twice is ending it once."""
        if "/creds/" not in vault_path(lease):
            raise InvalidName(f"{lease[:60]!a} cannot be the lease of a database user.")
        order = partial(_revoke, lease=lease)
        self._borrowed.tell(order, what="a lease")


def _revoke(vault: Any, *, lease: str) -> Any:
    # hvac's `revoke_lease` has no `sync`, so it would answer before the database has done it, and names the lease in the body, where
    # a policy cannot tell one of a database from any other.
    return vault.adapter.put(f"/v1/sys/leases/revoke/{lease}", json={"sync": True})
