"""The one way by which a change leaves for a cluster: as the person it is for, and only where the cluster may be written to.

Whoever cannot be that person is refused first, then what a cluster for reading only would not take. Nothing is sent before both.
"""

from collections.abc import Callable
from typing import Any, TypeVar

from connectors.kubernetes import writing
from connectors.kubernetes.seen import Identity
from connectors.kubernetes.transport import METADATA_ONLY, Transport

T = TypeVar("T")


class Writer:
    """What changes one cluster. `refuse`, told whether it is a dry run, raises where the cluster is connected for reading only.

    Errors as everywhere: `connectors.errors`; `InvalidName` when nobody acts on a cluster by that identity.
    """

    def __init__(self, transport: Transport, refuse: Callable[[bool], None]) -> None:
        self._transport, self._refuse = transport, refuse

    def merge(
        self,
        path: str,
        patch: writing.Patch,
        answer: type[T],
        *,
        as_: Identity,
        what: str,
        dry_run: bool,
        metadata_only: bool = False,
    ) -> T:
        """Send a JSON merge patch. `metadata_only`: of the object nothing else comes back."""
        accepted = [("Accept", METADATA_ONLY)] if metadata_only else []
        headers, query = [*self._headers(as_, dry_run), *accepted], writing.options(dry_run=dry_run)
        return self._transport.merge(path, patch, answer, headers=headers, query=query, what=what, who=as_.user)

    def strategic(
        self, path: str, patch: writing.Patch, answer: type[T], *, as_: Identity, what: str, dry_run: bool
    ) -> T:
        """Send a strategic merge patch, which finds the items of a list by their names."""
        headers, query = self._headers(as_, dry_run), writing.options(dry_run=dry_run)
        return self._transport.strategic(path, patch, answer, headers=headers, query=query, what=what, who=as_.user)

    def apply(
        self,
        path: str,
        declared: Any,
        answer: type[T],
        *,
        as_: Identity,
        what: str,
        dry_run: bool,
        manager: str,
        force: bool,
    ) -> T:
        """Apply on the server, as the field manager `manager`. `Claimed` when it is somebody else's and `force` is not said."""
        query = [*writing.options(dry_run=dry_run, manager=manager), ("force", str(force).lower())]
        headers = self._headers(as_, dry_run)
        return self._transport.apply(path, declared, answer, headers=headers, query=query, what=what, who=as_.user)

    def create(
        self,
        path: str,
        content: Any,
        answer: type[T],
        *,
        as_: Identity,
        what: str,
        dry_run: bool,
        manager: str = writing.FIELD_MANAGER,
    ) -> T:
        """Create what `content` says. `manager`: "" where nothing is kept that could have one."""
        headers, query = self._headers(as_, dry_run), writing.options(dry_run=dry_run, manager=manager)
        return self._transport.create(path, content, answer, headers=headers, query=query, what=what, who=as_.user)

    def delete(self, path: str, options: Any, answer: type[T], *, as_: Identity, what: str) -> T:
        """Delete by `DeleteOptions`, which carry the precondition. There is no dry run: nobody asks for one."""
        headers = self._headers(as_, dry_run=False)
        return self._transport.delete(path, options, answer, headers=headers, query=(), what=what, who=as_.user)

    def _headers(self, as_: Identity, dry_run: bool) -> list[tuple[str, str]]:
        headers = writing.impersonation(as_)
        self._refuse(dry_run)
        return headers
