"""Reads Backstage's catalog-info.yaml as the file of a stranger: what is usable of it, and why the rest is not.

Pure. Every scalar stays the text that was written (`no`, `012` and `12:30:00` mean themselves), and aliases are refused, because a
few lines of them can stand for gigabytes.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from .claims import DESCRIPTION_LIMIT, NAME_LIMIT, OURS, https_links, line, service_slug, short_slug, tier

MOST_BYTES = 1024 * 1024
MOST_DOCUMENTS = 5000
MOST_DEPTH = 32
MOST_DEPENDENCIES = 200
DEFAULT = "default"

_REFERENCE = re.compile(r"(?:(?P<kind>[a-z]+):)?(?:(?P<namespace>[a-z0-9._-]+)/)?(?P<name>[a-z0-9._-]+)", re.ASCII)
_NULL = "tag:yaml.org,2002:null"
_Base: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


class _Loader(_Base):  # type: ignore[misc]  # the C one has no types
    """Makes text, lists and mappings; of the implicit types only `null`, because a description of `null` means none."""


_Loader.add_implicit_resolver(_NULL, re.compile(r"(?:~|null|Null|NULL|)\Z"), ["~", "n", "N", ""])
_Loader.add_constructor(_NULL, lambda loader, node: None)


class Unreadable(Exception):
    """The file is not a catalog, or a hostile one. Nothing of it is used."""


@dataclass(frozen=True)
class TeamEntry:
    slug: str
    name: str


@dataclass(frozen=True)
class ServiceEntry:
    """What the catalog says of a service; empty and `None` where it says nothing usable."""

    slug: str
    owner: str = ""
    name: str = ""
    description: str = ""
    tier: int | None = None
    links: Mapping[str, str] = field(default_factory=dict)
    calls: frozenset[str] | None = None


@dataclass(frozen=True)
class Catalog:
    teams: tuple[TeamEntry, ...] = ()
    services: tuple[ServiceEntry, ...] = ()
    notes: tuple[str, ...] = ()
    """What was left out, and why."""


class _Entry:
    """One document while it is read, with a place to say what is left out of it."""

    def __init__(self, document: Mapping[Any, Any], number: int) -> None:
        self.kind = _text(document.get("kind"))
        self.metadata = _mapping(document.get("metadata"))
        self.spec = _mapping(document.get("spec"))
        self.name = _text(self.metadata.get("name"))
        self.api = _text(document.get("apiVersion"))
        self._where = line(f"{self.kind or 'document'} {self.name or number}", 100)
        self.notes: list[str] = []

    def leaves_out(self, what: str) -> None:
        self.notes.append(f"{self._where}: {what}")


def read(content: bytes) -> Catalog:
    """Raises `Unreadable` with a sentence."""
    teams: dict[str, TeamEntry] = {}
    services: dict[str, ServiceEntry] = {}
    notes: list[str] = []
    for number, document in enumerate(_documents(content), 1):
        if document is None:  # nothing between two lines of dashes
            continue
        if not isinstance(document, dict):
            notes.append(f"document {number}: it is not a mapping")
            continue
        entry = _Entry(document, number)
        if team := _team(entry):
            _first(teams, team, entry)
        elif service := _service(entry):
            _first(services, service, entry)
        notes += entry.notes
    return Catalog(tuple(teams.values()), tuple(services.values()), tuple(notes))


def _documents(content: bytes) -> Iterator[Any]:
    if len(content) > MOST_BYTES:
        raise Unreadable(f"It is larger than {MOST_BYTES // 1024} KiB. Split it.")
    try:
        text = content.decode("utf-8")
        _refuse_bombs(text)
        yield from yaml.load_all(text, Loader=_Loader)
    except UnicodeDecodeError as error:
        raise Unreadable(f"It is not UTF-8 at byte {error.start}.") from error
    except (yaml.YAMLError, RecursionError) as error:
        problem = getattr(error, "problem", None) or "it cannot be parsed"
        raise Unreadable(
            line(f"It is not YAML{_place(getattr(error, 'problem_mark', None))}: {problem}.", 300)
        ) from error


def _refuse_bombs(text: str) -> None:
    depth = documents = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            alias = line(event.anchor, 40)
            raise Unreadable(f"It uses the alias *{alias}{_place(event.start_mark)}. Write out what it stands for.")
        documents += isinstance(event, yaml.DocumentStartEvent)
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MOST_DEPTH:
            raise Unreadable(f"It is nested more than {MOST_DEPTH} levels deep{_place(event.start_mark)}.")
        if documents > MOST_DOCUMENTS:
            raise Unreadable(f"It has more than {MOST_DOCUMENTS} documents. Split it.")


def _place(mark: Any) -> str:
    return f" in line {mark.line + 1}" if mark else ""


def _first(into: dict[str, Any], found: TeamEntry | ServiceEntry, entry: _Entry) -> None:
    if into.setdefault(found.slug, found) is not found:
        entry.leaves_out("the name was used before in this file; the first one counts")


def _team(entry: _Entry) -> TeamEntry | None:
    if entry.kind != "Group" or not _usable(entry):
        return None
    if not (slug := short_slug(entry.name)):
        entry.leaves_out("the name of a team has 1 to 63 of a-z, 0-9 and '-'")
        return None
    said = _mapping(entry.spec.get("profile")).get("displayName"), entry.metadata.get("title"), entry.name
    return TeamEntry(slug, next(name for each in said if (name := line(each, NAME_LIMIT))))


def _service(entry: _Entry) -> ServiceEntry | None:
    if entry.kind == "Group":
        return None
    if entry.kind != "Component":
        entry.leaves_out("only Group and Component are imported")
        return None
    if not _usable(entry):
        return None
    if not (slug := service_slug(entry.name)):
        entry.leaves_out("the name of a service has 1 to 253 of a-z, 0-9, '-' and '.'")
        return None
    return ServiceEntry(
        slug=slug,
        owner=_owner(entry),
        name=line(entry.metadata.get("title"), NAME_LIMIT),
        description=line(entry.metadata.get("description"), DESCRIPTION_LIMIT),
        tier=_tier(entry),
        links=_links(entry),
        calls=_calls(entry),
    )


def _usable(entry: _Entry) -> bool:
    if not entry.api.startswith("backstage.io/"):
        entry.leaves_out("its apiVersion is not Backstage's")
        return False
    if _text(entry.metadata.get("namespace")) not in ("", DEFAULT):
        entry.leaves_out("only the default namespace of the catalog is imported")
        return False
    return True


def _owner(entry: _Entry) -> str:
    if entry.spec.get("owner") is None:
        return ""
    owner = _reference(entry.spec["owner"], "group")
    if not owner:
        entry.leaves_out("its owner is not a group of the default namespace, so nobody becomes owner by it")
    return owner


def _tier(entry: _Entry) -> int | None:
    said = [_mapping(entry.metadata.get(place)).get(f"{OURS}tier") for place in ("annotations", "labels")]
    found = next((each for each in said if each is not None), None)
    if found is not None and tier(found) is None:
        entry.leaves_out("its tier is not 1, 2 or 3")
    return tier(found)


def _links(entry: _Entry) -> dict[str, str]:
    said = [_mapping(each) for each in _list(entry.metadata.get("links"))]
    links = https_links((each.get("title") or each.get("url"), each.get("url")) for each in said)
    if len(links) < len(said):
        entry.leaves_out(
            f"{len(said) - len(links)} of {len(said)} links: not https, too long, of the same name, or too many"
        )
    return links


def _calls(entry: _Entry) -> frozenset[str] | None:
    if entry.spec.get("dependsOn") is None:
        return None
    said = _list(entry.spec["dependsOn"])[:MOST_DEPENDENCIES]
    found = frozenset(filter(None, (service_slug(_reference(each, "component")) for each in said)))
    if len(found) < len(said):
        entry.leaves_out(
            f"{len(said) - len(found)} of {len(said)} dependencies: not components of the default namespace"
        )
    return found


def _reference(value: object, kind: str) -> str:
    """The name in a reference like `group:default/payments`, or nothing when it is of another kind or namespace."""
    match = _REFERENCE.fullmatch(value.lower()) if isinstance(value, str) and len(value) < 400 else None
    if match is None or (match["kind"] or kind) != kind or (match["namespace"] or DEFAULT) != DEFAULT:
        return ""
    return match["name"]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
