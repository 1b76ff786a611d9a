"""Reads JSON that means one thing, and refuses the rest with the place where it stops being that.

Python's reader takes duplicate keys, `NaN`, integers no other program can hold, and text that no database can; each of those would
make two readers see two requests in one body, or become a 500 later.
"""

import json
import math
from collections.abc import Iterator, Mapping
from typing import IO, Any

from rest_framework import status
from rest_framework.exceptions import APIException, ParseError
from rest_framework.parsers import BaseParser

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_INTEGER = 2**53
MAX_POINTER = 200
"""Characters of a place that are kept: a long key would else be copied for each of the items under it."""


class TooLarge(APIException):
    status_code = status.HTTP_413_REQUEST_ENTITY_TOO_LARGE
    default_detail = f"The body is larger than {MAX_BYTES // 1024} KB. Link what is long, do not paste it."
    default_code = "too_large"


class StrictJSONParser(BaseParser):
    media_type = "application/json"

    def parse(
        self, stream: IO[bytes], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Raises `ParseError` with the reason and the place, `TooLarge`."""
        body = stream.read(MAX_BYTES + 1)
        if len(body) > MAX_BYTES:
            raise TooLarge
        try:
            value = json.loads(body.decode("utf-8"), object_pairs_hook=_object, parse_int=_integer)
        except UnicodeDecodeError as problem:
            raise ParseError(f"Not UTF-8, at byte {problem.start}.") from problem
        except json.JSONDecodeError as problem:
            raise ParseError(f"Not JSON: {problem.msg}, at line {problem.lineno}, column {problem.colno}.") from problem
        except RecursionError as problem:
            raise ParseError(f"Nested too deeply: at most {MAX_DEPTH} levels.") from problem
        for pointer, depth, item in _walk(value):
            if reason := _refusal(item, depth):
                raise ParseError(f"{reason}, at {pointer or 'the top'}.")
        return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise ParseError(f"The key {name[:100]!a} is there twice in one object. Which one is meant?")
            seen.add(name)
    return found


def _integer(text: str) -> int | float:
    return int(text) if len(text) <= len(str(-MAX_INTEGER)) else math.inf  # so that 5000 digits are never converted


def _walk(value: Any) -> Iterator[tuple[str, int, Any]]:
    """Yield every key and value with its JSON pointer and its depth. Not recursive: what it looks for is deep nesting."""
    waiting: list[tuple[str, int, Any]] = [("", 0, value)]
    while waiting:
        pointer, depth, item = waiting.pop()
        yield pointer, depth, item
        if depth > MAX_DEPTH:
            continue
        if isinstance(item, dict):
            for key, inside in item.items():
                yield f"a key of {pointer or 'the top'}", depth, key
                waiting.append((f"{pointer}/{key}"[:MAX_POINTER], depth + 1, inside))
        elif isinstance(item, list):
            waiting.extend((f"{pointer}/{index}"[:MAX_POINTER], depth + 1, inside) for index, inside in enumerate(item))


def _refusal(item: Any, depth: int) -> str:
    if depth > MAX_DEPTH:
        return f"Nested too deeply: at most {MAX_DEPTH} levels"
    if isinstance(item, str):
        if "\x00" in item:
            return "NUL characters are not text"
        if any("\ud800" <= character <= "\udfff" for character in item):
            return "Half of a surrogate pair is not a character"
    elif isinstance(item, float) and not math.isfinite(item):
        return "Not a number that fits: no NaN, no Infinity, integers up to 2^53"
    elif isinstance(item, int) and abs(item) > MAX_INTEGER:
        return "An integer beyond 2^53 is read differently by different programs"
    return ""
