"""What a workload or a catalog says about itself, made safe to keep and to show.

Whoever can deploy can write an annotation, so each is the claim of a stranger: cut to a length, without control characters, and
left out where it is not what it should be. One bad claim never hides the workload that makes it.
"""

import json
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from connectors.errors import InvalidName, clean
from connectors.names import dns_label, dns_subdomain, vault_path

OURS = "afterdeck.dev/"
NAME_LIMIT = 120
DESCRIPTION_LIMIT = 1000
MOST_LINKS = 12
LINK_NAME_LIMIT = 40
URL_LIMIT = 500
MOST_SECRETS = 50
JSON_LIMIT = 16 * 1024

_TIER = re.compile(r"[123]", re.ASCII)
_URL = re.compile(r"[!#-;=?-\[\]_a-z~%]+", re.ASCII)
"""Visible ASCII without quotes, angle brackets, backslash, caret, backtick, braces and bar."""


@dataclass(frozen=True, slots=True)
class Claims:
    """Empty fields mean that nothing was said, or nothing usable."""

    owner: str = ""
    name: str = ""
    description: str = ""
    tier: int | None = None
    links: dict[str, str] = field(default_factory=dict)
    secrets: frozenset[str] = frozenset()
    """As "mount/path"."""


def line(value: object, limit: int) -> str:
    """One bounded line of text, or nothing when it is not text."""
    return clean(unicodedata.normalize("NFC", value[: limit * 8]), limit) if isinstance(value, str) else ""


def service_slug(value: object) -> str:
    """The name that joins workloads, catalog entries and pages, or nothing when it cannot be one."""
    try:
        return dns_subdomain(value.lower()) if isinstance(value, str) and value.isascii() else ""
    except InvalidName:
        return ""


def short_slug(value: object) -> str:
    """Of a team or an environment: at most 63 characters."""
    try:
        return dns_label(value.lower()) if isinstance(value, str) and value.isascii() else ""
    except InvalidName:
        return ""


def tier(value: object) -> int | None:
    """1 to 3, as text or as a number. `True` is no number."""
    text = str(value) if type(value) is int and 0 < value < 10 else value
    return int(text) if isinstance(text, str) and _TIER.fullmatch(text) else None


def https_links(pairs: Iterable[tuple[object, object]]) -> dict[str, str]:
    """The usable ones: what a browser would run, or what is not what it seems, is left out."""
    named = ((line(name, LINK_NAME_LIMIT), url) for name, url in pairs)
    kept = {name: url for name, url in named if name and isinstance(url, str) and is_https(url)}
    return dict(list(kept.items())[:MOST_LINKS])


def is_https(url: str) -> bool:
    if len(url) > URL_LIMIT or not _URL.fullmatch(url):
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc and parts.port != 0
    except ValueError:  # half a bracket, a port of letters
        return False


def links_in(text: str) -> dict[str, str]:
    """From an annotation: a JSON object of name → https URL."""
    found = _json(text)
    return https_links(found.items()) if isinstance(found, dict) else {}


def secrets_in(text: str) -> frozenset[str]:
    """From an annotation: a JSON list of "mount/path"."""
    found = _json(text)
    return secrets_among(found[:MOST_SECRETS]) if isinstance(found, list) else frozenset()


def secrets_among(values: Iterable[object]) -> frozenset[str]:
    """Those that can be a "mount/path"."""
    return frozenset(value for value in values if isinstance(value, str) and _is_secret(value))


def _is_secret(value: str) -> bool:
    try:
        return "/" in vault_path(value)
    except InvalidName:
        return False


def _json(text: str) -> object:
    if not text or len(text) > JSON_LIMIT:
        return None
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
