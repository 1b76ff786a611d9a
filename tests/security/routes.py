"""Every address that changes something, found in the table of addresses itself: one that is added tomorrow is attacked tomorrow."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

CHANGING = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class Route:
    """`path` is the pattern with the names of what goes into it in angle brackets."""

    path: str
    methods: tuple[str, ...]
    is_api: bool

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(part.split(">")[0].rpartition(":")[2] for part in self.path.split("<")[1:])

    def address(self, values: dict[str, Any]) -> str:
        """Raises `KeyError` for a name that nobody has a value for."""
        text = self.path
        for part in self.path.split("<")[1:]:
            inside = part.split(">")[0]
            text = text.replace(f"<{inside}>", str(values[inside.rpartition(":")[2]]))
        return f"/{text}"


def routes() -> list[Route]:
    found = (
        Route(path, _methods(pattern), path.startswith("api/"))
        for path, pattern in _below(get_resolver().url_patterns, "")
    )
    return sorted({route for route in found if route.methods}, key=lambda route: route.path)


def _methods(pattern: URLPattern) -> tuple[str, ...]:
    """Those that change something, of a class those that it has; of a function we do not know, and a page knows only one."""
    view = getattr(pattern.callback, "view_class", None)
    return ("POST",) if view is None else tuple(each for each in CHANGING if hasattr(view, each.lower()))


def _below(patterns: list[URLPattern | URLResolver], before: str) -> Iterator[tuple[str, URLPattern]]:
    for pattern in patterns:
        path = f"{before}{pattern.pattern}"
        if isinstance(pattern, URLResolver):
            yield from _below(pattern.url_patterns, path)
        else:
            yield path, pattern
