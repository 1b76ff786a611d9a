"""Where a connector is found by kind and name, one instance per process.

Kinds come from this package, from `@register_connector`, or from a distribution's entry point in the group
`afterdeck.connectors` (name = kind, value = the class). Which systems there are comes from the settings, by
`configure`.
"""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TypeVar, overload

from connectors.errors import Missing
from connectors.names import dns_subdomain
from connectors.protocol import Connector

if TYPE_CHECKING:
    from connectors.kubernetes.cluster import KubernetesCluster
    from connectors.vault.server import VaultServer

ENTRY_POINTS = "afterdeck.connectors"
OURS = {"kubernetes": "connectors.kubernetes.cluster", "vault": "connectors.vault.server"}  # imported at first use

Make = Callable[[str, Any], Connector]
C = TypeVar("C", bound=type[Connector])

_kinds: dict[str, Make] = {}
_configured: dict[tuple[str, str], Any] = {}
_made: dict[tuple[str, str], Connector] = {}
_lock = Lock()


def register_connector(connector: C) -> C:
    """Class decorator. The class is made by `connector(name, configuration)`."""
    kind = dns_subdomain(connector.kind, "a kind of connector")
    known = _kinds.get(kind)
    if known is not None and known is not connector:
        raise ValueError(f"Two connectors call themselves {kind}: {known!r} and {connector!r}.")
    if not callable(getattr(connector, "health", None)):
        raise TypeError(f"{connector.__qualname__} has no health(), which every connector has.")
    _kinds[kind] = connector
    return connector


def configure(systems: Mapping[str, Mapping[str, Any]]) -> None:
    """Say which systems there are: kind → name → that kind's configuration. Forgets what was configured before."""
    checked = {
        (dns_subdomain(kind, "a kind of connector"), dns_subdomain(name, "the name of a system")): configuration
        for kind, named in systems.items()
        for name, configuration in named.items()
    }
    with _lock:
        _configured.clear()
        _configured.update(checked)
        _made.clear()


@overload
def connection(kind: Literal["kubernetes"], name: str) -> "KubernetesCluster": ...
@overload
def connection(kind: Literal["vault"], name: str) -> "VaultServer": ...
@overload
def connection(kind: str, name: str) -> Connector: ...
def connection(kind: str, name: str) -> Connector:
    """The system of that kind and name. Raises `Missing` where none is configured."""
    key = (kind, name)
    with _lock:
        if key not in _configured:
            raise Missing(f"No {kind} called {name!a} is connected. An administrator connects it in the settings.")
        if key not in _made:
            _made[key] = _class_of(kind)(name, _configured[key])
        return _made[key]


def names(kind: str) -> tuple[str, ...]:
    """The configured systems of a kind, in order."""
    return tuple(sorted(name for known, name in _configured if known == kind))


def connections() -> Iterator[Connector]:
    """Every configured system, for a page that shows their health."""
    for kind, name in sorted(_configured):
        yield connection(kind, name)


def _class_of(kind: str) -> Make:
    if kind not in _kinds and kind in OURS:
        import_module(OURS[kind])
    if kind not in _kinds:
        for entry in entry_points(group=ENTRY_POINTS, name=kind):
            register_connector(entry.load())
    if kind not in _kinds:
        raise Missing(f"Nothing installed can connect to a {kind!a}.")
    return _kinds[kind]
