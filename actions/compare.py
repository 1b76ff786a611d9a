"""The difference between two plans, line by line, for people: what was agreed and what would happen now."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .errors import Difference

LABELS = {
    "summary": "Change",
    "preconditions": "Seen before",
    "params": "Asked for",
    "target": "Target",
    "irreversible": "Cannot be undone",
    "soak_seconds": "Soak, seconds",
    "deadline_seconds": "Time limit, seconds",
    "undo": "Undo",
    "no_undo": "Undo",
    "no_revert": "If it goes wrong",
}
MACHINERY = {"steps", "revert", "eject"}
"""Parts that follow from the others; they count for the digest, but a person reads the lines above."""


def compare(agreed_text: str, now_text: str) -> list[Difference]:
    """Return the differences of two canonical plan texts; empty exactly when their digests are equal."""
    agreed, now = json.loads(agreed_text), json.loads(now_text)
    lines = list(_changes(agreed, now))
    for part in agreed.keys() | now.keys():
        if part == "changes" or part in MACHINERY or agreed.get(part) == now.get(part):
            continue
        lines.extend(_parts(part, agreed.get(part), now.get(part)))
    if not lines and agreed != now:
        lines = [
            Difference(part.replace("_", " ").capitalize(), _show(agreed.get(part)), _show(now.get(part)))
            for part in sorted(MACHINERY)
            if agreed.get(part) != now.get(part)
        ]
    return sorted(lines, key=lambda line: (line.label != LABELS["summary"], line.label))


def _changes(agreed: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[Difference]:
    old, new = _by_field(agreed), _by_field(now)
    for key in dict.fromkeys([*old, *new]):
        if old.get(key) != new.get(key):
            yield Difference(key[1], old.get(key, "not changed"), new.get(key, "not changed"))


def _by_field(plan: Mapping[str, Any]) -> dict[tuple[str, str], str]:
    return {
        (change["object"], line["path"]): f"{line['before'] or 'nothing'} to {line['after'] or 'nothing'}"
        for change in plan["changes"]
        for line in change["lines"]
    }


def _parts(part: str, agreed: object, now: object) -> Iterator[Difference]:
    if isinstance(agreed, Mapping) and isinstance(now, Mapping):
        for key in dict.fromkeys([*agreed, *now]):
            if agreed.get(key) != now.get(key):
                name = f"{LABELS.get(part, part)}: {str(key).replace('_', ' ')}"
                yield Difference(name, _show(agreed.get(key)), _show(now.get(key)))
    else:
        yield Difference(LABELS.get(part, part), _show(agreed), _show(now))


def _show(value: object) -> str:
    if value is None or value in ("", [], {}):
        return "nothing"
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return " ".join(value)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
