"""One passage of a longer text replaced by another, and the passage that undoes it. Pure.

What is asked for is the passage, never the whole: what else is in the text, perhaps a credential, does not come near a request, and
what somebody else has changed elsewhere in it meanwhile stays.
"""

import difflib
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from .plans import Line


@dataclass(frozen=True)
class Passage:
    """`find` stands exactly once in the text, and gives way to `replace`."""

    find: str
    replace: str


def occurrences(text: str, passage: str) -> int:
    """Also those that overlap. Nothing stands nowhere."""
    count, at = 0, text.find(passage) if passage else -1
    while at >= 0:
        count, at = count + 1, text.find(passage, at + 1)
    return count


def replaced(text: str, passage: Passage) -> str:
    return text.replace(passage.find, passage.replace, 1)


def way_back(text: str, passage: Passage) -> Passage:
    """What makes `text` of what the passage makes of it. It takes in as many whole lines around as are needed to be the only one."""
    new, at = replaced(text, passage), text.index(passage.find)
    start, end = at, at + len(passage.replace)
    while occurrences(new, new[start:end]) != 1 and (start, end) != (0, len(new)):
        start = new.rfind("\n", 0, max(0, start - 1)) + 1
        end = new.find("\n", end) + 1 or len(new)
    return Passage(new[start:end], text[start : end + len(text) - len(new)])


def changed_lines(path: str, old: str, new: str) -> tuple[Line, ...]:
    """From the first to the last line that differs, as one text each; nothing of what stands around them."""
    before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    first = _alike(before, after)
    last = _alike(before[first:][::-1], after[first:][::-1])
    gone, come = before[first : len(before) - last], after[first : len(after) - last]
    return (Line(path, "".join(gone), "".join(come)),) if gone or come else ()


def _alike(some: Sequence[str], others: Sequence[str]) -> int:
    """How many lines are the same from the beginning on."""
    return next((n for n, (a, b) in enumerate(zip(some, others, strict=False)) if a != b), min(len(some), len(others)))


def closest(text: str, wanted: str) -> str:
    """The line that is most like what was looked for, or nothing."""
    first = next((line for line in wanted.splitlines() if line.strip()), "")
    return next(iter(difflib.get_close_matches(first, text.splitlines(), n=1)), "")


def fingerprint(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
