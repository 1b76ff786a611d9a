"""What the actions on sizes share: whether what is asked for fits, as numbers for the policy and as sentences for people."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from approvals.facts import PLENTY
from connectors.errors import Forbidden
from connectors.kubernetes import QuotaSeen, WorkloadSeen
from connectors.kubernetes.capacity import PodNeeds, amount
from connectors.kubernetes.sizing import Sizes, VerticalSeen

from .protocol import CannotPlan, Impact, World


@dataclass(frozen=True)
class Guards:
    """`quota_left` and `node_headroom` are the pods of the new size that would still fit after this; below 0, it does not fit."""

    quota_left: int
    node_headroom: int
    vertical: VerticalSeen | None
    impact: tuple[Impact, ...]

    @property
    def numbers(self) -> dict[str, int]:
        acts = self.vertical is not None and self.vertical.acts
        return {"quota_left": self.quota_left, "node_headroom": self.node_headroom, "vpa": int(acts)}


def guards(world: World, seen: WorkloadSeen, pods: int, instead: Mapping[str, Sizes] | None = None) -> Guards:
    """Look at everything that could keep `pods` pods of this workload, with other sizes or its own, from running.

    Raises `CannotPlan` when a quota would keep them from starting, and the connector's errors.
    """
    sizing, ref = world.cluster.sizing, seen.ref
    now = sizing.needs(ref)
    then = sizing.needs(ref, instead) if instead else now
    left, quota = _within_quotas(world.cluster.quotas(ref.namespace), (seen.wanted, now), (pods, then))
    headroom, nodes = PLENTY, tuple[Impact, ...]()
    if pods > seen.wanted or instead:
        own = frozenset(pod.uid for pod in world.cluster.pods_of(seen))
        headroom, nodes = _on_nodes(sizing.room(ref, then, own), pods)
    try:
        vertical = sizing.vertical_of(ref)
    except Forbidden:
        vertical = None
    return Guards(left, headroom, vertical, (*quota, *nodes, *_vertical_impact(vertical)))


def percent(before: Decimal | int, after: Decimal | int) -> float:
    """By how much something grows; below 0 when it shrinks. What was nothing grows by 100 %."""
    return float((after - before) * 100 / before) if before else (100.0 if after else 0.0)


def worst(*changes: float) -> float:
    """Of several changes the one that takes away most; otherwise the one that adds most."""
    return min(changes) if min(changes) < 0 else max(changes)


def counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def lasting(minutes: int) -> str:
    """A duration as people say it: 45 min, 2 h, 1 h 30 min, 3 d."""
    days, rest = divmod(minutes, 24 * 60)
    parts = ((days, "d"), (rest // 60, "h"), (rest % 60, "min"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def _within_quotas(
    quotas: Sequence[QuotaSeen], now: tuple[int, PodNeeds], then: tuple[int, PodNeeds]
) -> tuple[int, tuple[Impact, ...]]:
    """How many more pods the quotas would allow after this, and the one that allows least. The server asks quotas when pods start and
    not when their number is written, so it would accept the number and never start the pods. Whether a quota that is for some pods
    only counts these is left to it.
    """
    found = []
    for quota in (each for each in quotas if not each.scoped):
        for name, before, after in _counts(now, then):
            if name not in quota.hard:
                continue
            hard, used = amount(quota.hard[name]), amount(quota.used.get(name, "0"))
            each = after / then[0] if then[0] else Decimal(0)
            more = after - before
            if more > 0 and used + more > hard:
                raise CannotPlan(_too_much(name, hard, used, more, each))
            if each:
                found.append((int((hard - used - more) // each), name, used, more, hard))
    if not found:
        return PLENTY, ()
    left, name, used, more, hard = min(found)
    unit = "pods" if "pods" in name else name
    figure = f"{_plain(name, used)} to {_plain(name, used + more)} of {_plain(name, hard)} {unit}"
    return left, (Impact("Quota", figure, f"Then it has room for {left} more of these pods."),)


def _counts(now: tuple[int, PodNeeds], then: tuple[int, PodNeeds]) -> Iterator[tuple[str, Decimal, Decimal]]:
    """What quotas count, under each of its names: of this workload now, and after."""
    (pods, needs), (more_pods, new) = now, then
    for names, before, after in (
        (("pods", "count/pods"), Decimal(1), Decimal(1)),
        (("requests.cpu", "cpu"), needs.cpu, new.cpu),
        (("requests.memory", "memory"), needs.memory, new.memory),
        (("limits.cpu",), needs.cpu_limit, new.cpu_limit),
        (("limits.memory",), needs.memory_limit, new.memory_limit),
    ):
        for name in names:
            yield name, pods * before, more_pods * after


def _too_much(name: str, hard: Decimal, used: Decimal, more: Decimal, each: Decimal) -> str:
    if "pods" in name:
        room = max(0, int(hard - used))
        return (
            f"The quota of the namespace has room for {room} more {'pod' if room == 1 else 'pods'} ({used} of {hard} used), and "
            f"{more} more are asked for. Ask for fewer, or ask the platform team for quota."
        )
    room = max(0, int((hard - used) // each)) if each else 0
    return (
        f"The quota of the namespace on {name} has {_plain(name, used)} of {_plain(name, hard)} used, and {_plain(name, more)} more are "
        f"asked for. It has room for {room} more of these pods. Ask for less, or ask the platform team for quota."
    )


def _plain(name: str, number: Decimal) -> str:
    """Cores as they are, memory in MiB, so that people can compare."""
    return f"{number / 2**20:.0f} Mi" if "memory" in name else f"{number.normalize():f}"


def _on_nodes(room: int | None, pods: int) -> tuple[int, tuple[Impact, ...]]:
    if room is None:
        return PLENTY, (Impact("Nodes", "Not known", "The portal may not look at the nodes of this cluster."),)
    headroom = room - pods
    if headroom < 0:
        meaning = f"By what they ask for, {counted(-headroom, 'pod')} of {pods} will not fit and wait for a new node."
        return headroom, (Impact("Nodes", f"Room for {room}", meaning, worry=True),)
    return headroom, (
        Impact("Nodes", f"Room for {headroom} more", "By what such pods ask for, on the nodes as they are now."),
    )


def _vertical_impact(vertical: VerticalSeen | None) -> tuple[Impact, ...]:
    if vertical is None:
        return ()
    name = f"{vertical.name}, mode {vertical.mode}"
    if vertical.acts:
        return (
            Impact(
                "Vertical autoscaler",
                name,
                "It sets what the pods ask for by itself, over what is set here.",
                worry=True,
            ),
        )
    return (Impact("Vertical autoscaler", name, "It only recommends."),)
