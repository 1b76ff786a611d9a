"""How pages say spans, moments, people and digests, so that every page says them the same way.

Units with a space, 24 h, relative under a day, then the weekday, then the date.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from django.utils import timezone

MINUTE, HOUR, DAY = 60, 3600, 86400
HASH = re.compile(r"\b[0-9a-f]{32,64}\b")


def span(seconds: float) -> str:
    """A duration with its two largest units: 41 ms, 0.4 s, 42 s, 1 min 05 s, 3 h 31 min, 2 d 4 h."""
    if seconds < 0.1:
        return f"{max(1, round(seconds * 1000))} ms"
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE:02d} s"
    if whole < DAY:
        return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
    return f"{whole // DAY} d {whole % DAY // HOUR} h"


def roughly(seconds: float) -> str:
    """A duration with one unit, for ages and habits: 6 min, 3 h, 2 d."""
    if seconds < MINUTE:
        return f"{max(1, round(seconds))} s"
    if seconds < HOUR:
        return f"{round(seconds / MINUTE)} min"
    if seconds < 2 * DAY:
        return f"{round(seconds / HOUR)} h"
    return f"{round(seconds / DAY)} d"


def clock(at: datetime) -> str:
    """The time of day with seconds, in the reader's time zone."""
    return f"{timezone.localtime(at):%H:%M:%S}"


def moment(at: datetime, now: datetime | None = None) -> str:
    """When, as short as it stays clear: 14:26 today, Wed 14:26 within six days, else 12 Nov 2026, 14:26."""
    there, here = timezone.localtime(at), timezone.localtime(now or timezone.now())
    if there.date() == here.date():
        return f"{there:%H:%M}"
    if abs(there.date() - here.date()) < timedelta(days=6):
        return f"{there:%a %H:%M}"
    return dated(there)


def zoned(at: datetime) -> str:
    """When something is to happen, with the zone: people in several sign it and speak about it. Wed 02:00 UTC."""
    return f"{moment(at)} {timezone.localtime(at):%Z}"


def dated(there: datetime) -> str:
    """12 Nov 2026, 14:26, by the clock that it was read from."""
    return f"{there.day} {there:%b %Y, %H:%M}"


def full(at: datetime) -> str:
    """All there is to a moment, for its title and the record: Thu 12 Nov 2026, 14:26:05 CET."""
    there = timezone.localtime(at)
    return f"{there:%a} {there.day} {there:%b %Y, %H:%M:%S %Z}"


def people(names: Sequence[str], joint: str = "and") -> str:
    """Jonas; Jonas and Ines; Jonas, Ines and Priya."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} {joint} {names[-1]}"


def steps(titles: Sequence[str]) -> str:
    """What is done one after another, as one clause: Put the old template back and evict the pods that did not come up."""
    return people([each if place == 0 else each[:1].lower() + each[1:] for place, each in enumerate(titles)])


def some_of(count: int, names: Sequence[str]) -> str:
    """Of whom so many are enough: Jonas; one of Jonas or Ines; Jonas and Ines; 2 of Jonas, Ines and Priya."""
    if count >= len(names):
        return people(names)
    return f"one of {people(names, 'or')}" if count == 1 else f"{count} of {people(names)}"


def short_digest(digest: str) -> str:
    """Eight characters in two groups, as people compare them."""
    return f"{digest[:4]} {digest[4:8]}"


def with_short_hashes(text: str) -> str:
    """What two plans differ in is often a hash, which nobody compares by all of its characters."""
    return HASH.sub(lambda found: short_digest(found[0]), text)


def counted(number: int, one: str, many: str | None = None) -> str:
    """1 pod, 2 pods; large numbers in groups of three."""
    word = one if number == 1 else many or f"{one}s"
    return f"{grouped(number)} {word}"


def exact(at: datetime, now: datetime | None = None) -> str:
    """The time to the millisecond, with its day unless that is today."""
    there, here = timezone.localtime(at), timezone.localtime(now or timezone.now())
    time = f"{there:%H:%M:%S}.{there.microsecond // 1000:03d}"
    return time if there.date() == here.date() else f"{there.day} {there:%b %Y} {time}"


def grouped(number: int) -> str:
    """1 048 306: groups of three, held together."""
    return f"{number:,}".replace(",", "\u202f")
