"""Pages of long lists, by position and not by number: a page costs the same wherever it is, and nothing is skipped or shown twice.

The cursor is opaque and signed for its list, so that what comes back in one is a position that we gave out.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from django.core import signing
from rest_framework import serializers
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request

T = TypeVar("T")
Position = list[Any]

DEFAULT_SIZE, MAX_SIZE, MAX_CURSOR = 50, 200, 500


class WholeField(serializers.IntegerField):
    """Digits and nothing else: Python's own reading also takes `1.0`, `1_000` and digits of other scripts."""

    def to_internal_value(self, data: Any) -> int:
        if not re.fullmatch(r"[0-9]{1,16}", str(data)):
            self.fail("invalid")
        return super().to_internal_value(data)


class PageQuery(serializers.Serializer[Any]):
    """Base of a list's query parameters. What a list does not know it refuses: a misspelt filter must not mean everything."""

    cursor = serializers.CharField(required=False, max_length=MAX_CURSOR, help_text="`next` of the page before")
    limit = WholeField(required=False, default=DEFAULT_SIZE, min_value=1, max_value=MAX_SIZE)


@dataclass(frozen=True)
class Page(Generic[T]):
    items: Sequence[T]
    next: str | None


def read_query(query: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The checked query parameters. Raises `ValidationError`."""
    known = query().fields.keys()
    wrong = {
        name[:100]: [f"Not known here. Known: {', '.join(known)}."]
        for name in request.query_params
        if name not in known
    }
    wrong |= {name: ["Given more than once."] for name in known if len(request.query_params.getlist(name)) > 1}
    if wrong:
        raise ValidationError(wrong)
    checked = query(data=request.query_params.dict())
    checked.is_valid(raise_exception=True)
    return dict(checked.validated_data)


def cursor_for(listing: str, position: Position) -> str:
    return signing.Signer(salt=f"portal.api.{listing}").sign_object(position)


def position_in(listing: str, query: dict[str, Any]) -> Position | None:
    """Where the page begins, `None` at the start. Raises `ValidationError` for a cursor that we did not give out."""
    cursor = query.get("cursor")
    if not cursor:
        return None
    try:
        position: Position = signing.Signer(salt=f"portal.api.{listing}").unsign_object(cursor)
    except signing.BadSignature as problem:
        raise ValidationError({"cursor": ["Not a cursor of this list. Take `next` of the page before."]}) from problem
    return position


def moment_in(listing: str, query: dict[str, Any]) -> tuple[datetime, int] | None:
    """The same for lists in the order of time and id."""
    position = position_in(listing, query)
    return None if position is None else (datetime.fromisoformat(position[0]), position[1])


def page_of(listing: str, rows: Sequence[T], query: dict[str, Any], position: Callable[[T], Position]) -> Page[T]:
    """`rows` is one more than asked for when there is more."""
    items = rows[: query["limit"]]
    more = len(rows) > len(items)
    return Page(items, cursor_for(listing, position(items[-1])) if more else None)
