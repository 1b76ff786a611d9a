"""Runs several ways of doing something alternately, so that whatever else the machine does hits all of them alike."""

import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Arm = Callable[[], Mapping[str, float]]
"""Does the thing once, and says how many seconds what of it took."""


@dataclass(frozen=True)
class Measured:
    median: float
    p95: float
    count: int

    def against(self, other: "Measured") -> float:
        return self.median / other.median


def alternate(arms: Sequence[Arm], rounds: int, warm_up: int = 3) -> dict[str, Measured]:
    """Every arm once per round. The first rounds open connections and fill caches, and do not count."""
    taken: dict[str, list[float]] = defaultdict(list)
    for number in range(warm_up + rounds):
        for arm in arms:
            for name, seconds in arm().items():
                if number >= warm_up:
                    taken[name].append(seconds)
    return {name: _measured(seconds) for name, seconds in taken.items()}


def _measured(seconds: Sequence[float]) -> Measured:
    ordered = sorted(seconds)
    return Measured(statistics.median(ordered), ordered[int(len(ordered) * 0.95)], len(ordered))
