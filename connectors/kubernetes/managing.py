"""Which fields of an object a writer has declared: what it would bring back if somebody else changed them.

The server keeps that for everybody who writes (`managedFields`). Whoever applies without its help leaves the whole declaration in
an annotation instead.
"""

import json
from collections.abc import Iterator
from typing import Any

from connectors.kubernetes.fields import fields, name_of

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"


def declared_by(whole: dict[str, Any], managers: frozenset[str]) -> frozenset[str] | None:
    """Paths, in the words of `fields`, of what these managers declared; `None` when the object does not say."""
    meta = whole.get("metadata", {})
    entries = [e for e in meta.get("managedFields", ()) if e.get("manager") in managers and not e.get("subresource")]
    if not entries:
        return None
    return frozenset(path for entry in entries for path in _leaves(entry.get("fieldsV1", {}), whole, ""))


def last_applied(whole: dict[str, Any]) -> frozenset[str] | None:
    """Paths of what was last applied by a client that leaves the declaration on the object."""
    try:
        declared = json.loads(whole.get("metadata", {}).get("annotations", {})[LAST_APPLIED])
    except (KeyError, ValueError):
        return None
    return frozenset(fields(declared))


def covers(declared: frozenset[str], path: str) -> bool:
    """Whether a field is among the declared ones, or inside of one that is declared as a whole."""
    return path in declared or any(path.startswith((f"{each}.", f"{each}[")) for each in declared)


def _leaves(owned: dict[str, Any], there: Any, path: str) -> Iterator[str]:
    for key, inside in owned.items():
        where, item = _step(key, there, path)
        if where and not inside:
            yield where
        elif where:
            yield from _leaves(inside, item, where)


def _step(key: str, there: Any, path: str) -> tuple[str, Any]:
    """From a key of `fieldsV1` to the path of what it means, and that itself. An empty path: it is not there any more."""
    kind, _, rest = key.partition(":")
    if kind == "f" and isinstance(there, dict) and rest in there:
        return (f"{path}.{rest}" if path else rest), there[rest]
    if kind in ("k", "v", "i") and isinstance(there, list):
        wanted = json.loads(rest)
        for index, item in enumerate(there):
            if index == wanted if kind == "i" else _is(item, wanted, by_key=kind == "k"):
                return f"{path}[{name_of(item, index)}]", item
    return "", None


def _is(item: Any, wanted: Any, *, by_key: bool) -> bool:
    if by_key:
        return isinstance(item, dict) and all(item.get(name) == value for name, value in wanted.items())
    return bool(item == wanted)
