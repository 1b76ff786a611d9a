"""A plan as people read it: the diff in the lines they know, and what to know before signing.

The same on the form, in the queue and on the request.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from actions.protocol import Change, Impact, Line, Plan
from actions.queries import Estimate

from . import words

MOST_OPEN = 3
KEYED = (".annotations.", ".labels.", ".matchLabels.", ".nodeSelector.", ".limits.", ".requests.")


@dataclass(frozen=True)
class Row:
    """One line of a diff; `kind` is del, ins, or empty for context. The sign is in the text, for those who copy it."""

    kind: str
    text: str


SHOWN_ROWS = 14
"""Of a longer diff the rest is folded: whoever signs sees where it begins and how much more there is."""


@dataclass(frozen=True)
class Diff:
    object: str
    rows: tuple[Row, ...]

    @property
    def head(self) -> tuple[Row, ...]:
        return self.rows if len(self.rows) <= SHOWN_ROWS + 3 else self.rows[:SHOWN_ROWS]

    @property
    def rest(self) -> tuple[Row, ...]:
        return self.rows[len(self.head) :]

    @property
    def changed(self) -> int:
        return sum(row.kind != "" for row in self.rows)


@dataclass(frozen=True)
class Fact:
    label: str
    figure: str
    meaning: str
    worry: bool = False


@dataclass(frozen=True)
class PlanView:
    """Everything a page says about a plan, apart from who has to agree."""

    digest: str
    summary: str
    diffs: tuple[Diff, ...]
    facts: tuple[Fact, ...]
    eject: tuple[str, ...]
    steps: tuple[str, ...]

    @property
    def many(self) -> bool:
        """Whether the objects are outlined: each by its name and how much of it changes, and opened one by one."""
        return len(self.diffs) > MOST_OPEN


def view_of(plan: Plan, *, digest: str, impact: Sequence[Impact], estimate: Estimate | None) -> PlanView:
    return PlanView(
        digest=digest,
        summary=plan.summary,
        diffs=tuple(_diff(change) for change in plan.changes),
        facts=tuple(_facts(plan, impact, estimate)),
        eject=plan.eject,
        steps=tuple(step.title for step in plan.steps),
    )


def diffs_of(plan: Plan) -> tuple[Diff, ...]:
    return tuple(_diff(change) for change in plan.changes)


def _diff(change: Change) -> Diff:
    return diff_of(change.object, change.lines)


def diff_of(object: str, lines: Iterable[Line]) -> Diff:
    return Diff(object, tuple(_rows(lines)))


def _rows(lines: Iterable[Line]) -> Iterator[Row]:
    """Fields of the same parent stand under it, once, as in the manifest."""
    parent = ""
    for line in lines:
        above, name = _split(line.path)
        if above != parent:
            parent = above
            if above:
                yield Row("", f"  {above}:")
        indent = "    " if above else "  "
        if "\n" in line.before or "\n" in line.after:
            yield Row("", f"{indent}{name}: |")
            yield from _text_rows(line.before, line.after, indent)
            continue
        if line.before:
            yield Row("del", f"-{indent[1:]}{name}: {line.before}")
        if line.after:
            yield Row("ins", f"+{indent[1:]}{name}: {line.after}")


def _text_rows(before: str, after: str, indent: str) -> Iterator[Row]:
    """A text of several lines, line by line, with three lines around each change."""
    kinds = {"-": "del", "+": "ins"}
    compared = difflib.unified_diff(before.splitlines(), after.splitlines(), n=3, lineterm="")
    for line in list(compared)[2:]:
        if line.startswith("@@"):
            yield Row("", f"{indent}  …")
        else:
            yield Row(kinds.get(line[0], ""), f"{line[0]}{indent[1:]}  {line[1:]}")


def _split(path: str) -> tuple[str, str]:
    """The parent and the last part of a path. Below annotations and the like the whole rest is one key, dots and all."""
    if path.startswith("data."):  # of a ConfigMap, whose keys are names of files
        return "data", path.removeprefix("data.")
    for keyed in KEYED:
        above, found, key = path.partition(keyed)
        if found:
            return above + keyed.rstrip("."), key
    depth = 0
    for place in range(len(path) - 1, -1, -1):
        depth += (path[place] == "]") - (path[place] == "[")
        if path[place] == "." and depth == 0:
            return path[:place], path[place + 1 :]
    return "", path


def _facts(plan: Plan, impact: Sequence[Impact], estimate: Estimate | None) -> Iterator[Fact]:
    for known in impact:
        yield Fact(known.label, known.figure, known.meaning, known.worry)
    yield _takes(plan, estimate)
    if plan.revert:
        steps = words.steps([step.title for step in plan.revert])
        if len(plan.revert) > MOST_OPEN:
            steps = f"In {len(plan.revert)} steps, the last one first"
        yield Fact("If it goes wrong", "Taken back by itself", f"{steps}. Nobody has to be asked for that.")
    else:
        yield Fact("If it goes wrong", "A person has to look", plan.no_revert, worry=True)
    if plan.undo is not None and plan.lasts_seconds is not None:
        yield Fact("Undo", "Give it back", "One click, at any time before it ends by itself.")
    elif plan.undo is not None:
        yield Fact("Undo", "One click", "Once it has succeeded.")
    else:
        yield Fact("Undo", "None", plan.no_undo)
    if plan.irreversible:
        yield Fact("Cannot be undone", "", " ".join(plan.irreversible))


def _takes(plan: Plan, estimate: Estimate | None) -> Fact:
    proof = "Verified when it is as planned"
    proof += f" and stays so for {words.roughly(plan.soak_seconds)}. " if plan.soak_seconds else ". "
    limit = f"Given up after {words.roughly(plan.deadline_seconds)}."
    if estimate is None:
        return Fact("Takes", "Not known yet", f"Nothing like this has run here before. {proof}{limit}")
    usual, slowest = words.span(estimate.usual), words.span(estimate.slowest)
    known = (
        "It ran once" if estimate.count == 1 else f"The middle of {estimate.count} runs like this, slowest {slowest}"
    )
    return Fact("Takes", f"About {usual}", f"{known}. {proof}{limit}")
