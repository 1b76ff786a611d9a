"""Several plans as one: how steps are numbered, in which order they run and are taken back, and what each part sees of the whole.

Each part is planned against the present, so no two of them may change the same object. What can be taken back comes first, in the
order that was asked for; what cannot comes last, when all the rest is done. It is taken back in reverse.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from .plans import Change, Impact, Plan, Step, Target, TargetKind
from .protocol import CannotPlan

SEPARATOR = "/"
MOST_SUMMARY = 400


def compose(
    action: str,
    undo_action: str,
    target: Target,
    parts: Sequence[Plan],
    params: Mapping[str, Any],
    undo: Sequence[Mapping[str, Any]],
) -> Plan:
    """`undo` are the parts of the chain that undoes this one, empty when there is none. Raises `CannotPlan`."""
    refuse_overlaps(parts)
    counted = list(enumerate(parts, start=1))
    finals = [part for part in parts if not part.revert or any(step.final for step in part.steps)]
    granting = [part for part in parts if part.lasts_seconds is not None]
    steps = [step for number, part in counted for step in _steps(number, part)]
    return Plan(
        action=action,
        target=target,
        params=params,
        summary=f"{len(parts)} changes as one: {'; '.join(part.summary for part in parts)}"[:MOST_SUMMARY],
        preconditions={
            _numbered(number, name): value for number, part in counted for name, value in part.preconditions.items()
        },
        changes=_changes(parts),
        steps=(*(step for step in steps if not step.final), *(step for step in steps if step.final)),
        revert=tuple(step for number, part in reversed(counted) for step in _revert(number, part)),
        no_revert=" ".join(dict.fromkeys(part.no_revert for part in finals if part.no_revert)),
        undo={"parts": list(undo)} if undo else None,
        undo_action=undo_action if undo else "",
        no_undo="" if undo else _no_undo(parts, granting),
        irreversible=tuple(dict.fromkeys(line for part in parts for line in part.irreversible)),
        eject=tuple(dict.fromkeys(line for part in parts for line in part.eject)),
        soak_seconds=max(part.soak_seconds for part in parts),
        deadline_seconds=max(part.deadline_seconds for part in parts),
        lasts_seconds=granting[0].lasts_seconds if granting else None,
        numbers=_numbers(parts),
        impact=_impact(counted),
        parts=tuple(parts),
    )


def refuse_overlaps(parts: Sequence[Plan]) -> None:
    """A part that was planned on what an earlier one changes would not be what it says. Raises `CannotPlan`."""
    for one, other in combinations(parts, 2):
        if common := _common(one, other):
            raise CannotPlan(
                f"Two of the parts change {common[0]}, and the second was planned on it as it is now. Ask for that when this is done."
            )
    if sum(part.lasts_seconds is not None for part in parts) > 1:
        raise CannotPlan("Two of the parts end by themselves. Ask for one of them alone, so that each has its own end.")


def _common(one: Plan, other: Plan) -> list[str]:
    """Objects that both change. Those who read a secret may be in any cluster, so of a secret's the name is enough."""
    elsewhere = one.target.cluster != other.target.cluster
    if elsewhere and TargetKind.SECRET not in (one.target.kind, other.target.kind):
        return []
    return sorted({change.object for change in one.changes} & {change.object for change in other.changes})


def _steps(number: int, part: Plan) -> list[Step]:
    """What can never be taken back is final, and so is whatever comes after something that is."""
    final, steps = not part.revert, []
    for step in part.steps:
        final = final or step.final
        steps.append(replace(step, id=_numbered(number, step.id), title=f"{number}. {step.title}", final=final))
    return steps


def _revert(number: int, part: Plan) -> list[Step]:
    """Of a part that never began, nothing is taken back."""
    return [
        replace(
            step, id=_numbered(number, step.id), title=f"{number}. {step.title}", undoes=_numbered(number, step.undoes or part.steps[0].id)
        )
        for step in part.revert
    ]  # fmt: skip


def part_of(step: Step, whole: Plan) -> tuple[int, Plan, Step]:
    """The number of the part that a step of a chain belongs to, its plan, and the step as that plan knows it."""
    number, _, own = step.id.partition(SEPARATOR)
    part = whole.parts[int(number) - 1]
    return int(number), part, next(each for each in (*part.steps, *part.revert) if each.id == own)


def mine(number: int, evidence: Mapping[str, Any]) -> dict[str, Any]:
    """What a part knows of the evidence of all of them."""
    prefix = _numbered(number, "")
    return {name.removeprefix(prefix): value for name, value in evidence.items() if name.startswith(prefix)}


def of_part(number: int, evidence: Mapping[str, Any]) -> dict[str, Any]:
    return {_numbered(number, name): value for name, value in evidence.items()}


def evidence_for(whole: Plan, part: Plan, evidence: Mapping[str, Any]) -> Mapping[str, Any]:
    """As the part's own action returned it; of a plan that is no chain, all of it."""
    return mine(whole.parts.index(part) + 1, evidence) if whole.parts else evidence


def _numbered(number: int, name: str) -> str:
    return f"{number}{SEPARATOR}{name}"


def _changes(parts: Sequence[Plan]) -> tuple[Change, ...]:
    """With the cluster where there are several, because an object of the same name may be in another one."""
    several = len({part.target.cluster for part in parts}) > 1
    return tuple(
        Change(f"{change.object} in {part.target.cluster}", change.lines) if several and part.target.cluster else change
        for part in parts
        for change in part.changes
    )


def _no_undo(parts: Sequence[Plan], granting: Sequence[Plan]) -> str:
    if granting:
        return "Part of it ends by itself. Undo the rest one by one."
    return " ".join(dict.fromkeys(part.no_undo for part in parts if part.no_undo)) or "Undo its parts one by one."


SUMS = ("pods", "unavailable", "other_teams", "takes_over")
LEAST = ("quota_left", "node_headroom")
OF_ONE = ("replicas_before", "replicas_after", "objects")


def _numbers(parts: Sequence[Plan]) -> dict[str, int | float]:
    """What a limit on the whole would be about: sums, and the worst of what cannot be summed."""
    names = {name for part in parts for name in part.numbers if name not in OF_ONE}
    objects = sum(part.numbers.get("objects", len(part.changes)) for part in parts)
    told = {name: [part.numbers[name] for part in parts if name in part.numbers] for name in sorted(names)}
    return {"objects": objects, **{name: _whole(name, values) for name, values in told.items()}}


def _whole(name: str, values: Sequence[int | float]) -> int | float:
    if name in SUMS:
        return sum(values)
    shrinks = name.endswith("percent") and min(values) < 0
    return min(values) if shrinks or name in LEAST else max(values)


def _impact(numbered_parts: Sequence[tuple[int, Plan]]) -> tuple[Impact, ...]:
    """Each part in a line, and of what is to be known about it only what worries: the rest is in the plan of the part alone."""
    return tuple(
        line
        for number, part in numbered_parts
        for line in (
            Impact(f"Part {number}", part.target.label, f"{part.summary}."),
            *(replace(each, label=f"{number}. {each.label}") for each in part.impact if each.worry),
        )
    )
