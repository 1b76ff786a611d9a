"""One text for one value: RFC 8785 (JSON Canonicalization Scheme), with Unicode normalised at the door.

Everything that is hashed, signed or compared is this text, never a re-serialised copy of it: jsonb drops duplicate keys and
rewrites numbers, so only stored text can be verified later.
"""

import hashlib
import unicodedata
from collections.abc import Mapping, Sequence

import rfc8785


class NotCanonical(ValueError):
    """The value has no canonical form (NaN, an integer beyond 2^53, a lone surrogate, a non-text key, two keys that are one)."""


def canonical_text(value: object) -> str:
    """Return the RFC 8785 text of a JSON value. Raises `NotCanonical`."""
    try:
        text: bytes = rfc8785.dumps(_normalise(value))
        return text.decode()
    except (rfc8785.CanonicalizationError, ValueError, RecursionError) as problem:
        raise NotCanonical(str(problem)) from problem


def digest(value: object) -> str:
    """Return the lower-case hexadecimal SHA-256 of the value's canonical text."""
    return hashlib.sha256(canonical_text(value).encode()).hexdigest()


def storable(text: str) -> str:
    """What a database, and a canonical text, can hold of it: no NUL, no half of a surrogate pair."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode()


def _normalise(value: object) -> object:
    if isinstance(value, str):
        return unicodedata.normalize("NFC", value)
    if isinstance(value, Mapping):
        normal = {_normalise(key): _normalise(item) for key, item in value.items()}
        if len(normal) != len(value):
            raise NotCanonical("Two keys of an object are the same text once it is normalised.")
        return normal
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [_normalise(item) for item in value]
    return value
