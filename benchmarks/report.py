"""Turns what was measured into a table, on the screen and in docs/performance.md."""

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import django

from benchmarks.arms import Measured

REPORT = Path(__file__).parents[1] / "docs" / "performance.md"
INTRODUCTION = """# Performance

`make bench` writes this page. It starts a whole portal on a sandbox of its own and does each thing alternately with the barest thing of
its kind, so that what else the machine does hits both alike. **Read the ratios**; the milliseconds belong to one machine.
"""
HEADER = "| What | median | p95 | as a ratio |\n| --- | ---: | ---: | --- |"


@dataclass(frozen=True)
class Line:
    what: str
    measured: Measured
    against: Mapping[str, Measured] = field(default_factory=dict)

    def __str__(self) -> str:
        times = ", ".join(
            f"**{self.measured.against(other):.1f}** times {name}" for name, other in self.against.items()
        )
        return f"| {self.what} | {_ms(self.measured.median)} | {_ms(self.measured.p95)} | {times} |"


def write(clicks: Sequence[Line], queue: Sequence[Line], pages: Sequence[Line]) -> None:
    parts = [
        INTRODUCTION,
        _machine(),
        "## From a click to the cluster\n",
        "A click plans against the real cluster (a read, a server-side dry run, what depends on it), asks the policy and commits; the "
        "worker plans again before it acts, and compares. Both plans are in these numbers.\n",
        _table(clicks),
        "## The approver's queue\n",
        "Statements alone, at 100,000 requests that all wait for one person: the walk along the index of who is asked, and the rows it "
        "leads to, against the same rows read by their keys.\n",
        _table(queue),
        "## Pages\n",
        "Signed in, over HTTP on a connection kept open. The bare page is one's own tokens, of which there are none: a session, the frame "
        "around every page, and a form.\n",
        _table(pages),
    ]
    text = "\n".join(parts)
    REPORT.write_text(text)
    print(f"\n{text}\nWritten to {REPORT}")


def _table(lines: Sequence[Line]) -> str:
    rounds = min(line.measured.count for line in lines)
    return "\n".join([HEADER, *map(str, lines), "", f"{rounds} rounds.", ""])


def _machine() -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = os.getloadavg()[0]
    return (
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {os.cpu_count()} processors ({_processor()}), {memory:.0f} GB, "
        f"{platform.system()}, Python {platform.python_version()}, Django {django.get_version()}; load at the end {load:.1f}.\n"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"
