"""Everybody a rotation touches beside the secret itself: the copies in the cluster, and the workloads that read it."""

from collections.abc import Container
from dataclasses import dataclass
from functools import cached_property

from connectors.kubernetes.synced import SyncedSeen

from ..protocol import CannotPlan, Step, Target, World
from . import consumers, copying, syncing
from .copying import Copy
from .readers import Consumer, consumers_of


@dataclass(frozen=True)
class Affected:
    readers: tuple[Consumer, ...]
    synced: tuple[tuple[str, SyncedSeen], ...]
    """By cluster: what an operator copies."""

    own: tuple[Copy, ...]
    """What the run itself copies."""

    not_copied: tuple[str, ...]
    """What it does not, because only another team says that it is a copy of this."""

    @cached_property
    def restarted(self) -> tuple[Consumer, ...]:
        return tuple(each for each in self.readers if each.restarts)


def look(target: Target, world: World, places: Container[str]) -> Affected:
    """As they are now, and whether the server lets this person restart them. `places`: where the secret itself says it is copied to.

    Raises `CannotPlan`, and the connector's errors.
    """
    readers = consumers_of(target, world)
    for each in readers:
        _dry_run(each, world)
    secret = f"{target.ref.namespace}/{target.ref.name}"
    synced = syncing.synced_from(secret, ((each.cluster, each.ref.namespace) for each in readers), world)
    own, not_copied = copying.copies_of(secret, readers, synced, world, places)
    if own and target.ref.kind != "kv2":
        raise CannotPlan(
            f"{own[0].name} is said to be a copy of this. Afterdeck copies KV secrets only; let an operator keep it."
        )
    return Affected(tuple(readers), tuple(synced), tuple(own), tuple(not_copied))


def _dry_run(reader: Consumer, world: World) -> None:
    if reader.restarts and reader.seen is not None:
        world.cluster_named(reader.cluster).restart(
            reader.seen.ref, as_=world.person, stamp=world.now.isoformat(timespec="seconds"), execution="plan",
            seen=reader.seen.resource_version, dry_run=True,
        )  # fmt: skip


def steps(on: Affected, order: str, version: int = 0) -> list[Step]:
    """Copies first: who restarts reads them. `version` of a KV secret is what the run copies."""
    return [
        *syncing.steps_for(on.synced),
        *copying.steps_for(on.own, version=version),
        *consumers.restart_steps(on.readers, wait=order != "together"),
        Step("prove", "Prove that all who read it run with the new one", "prove", looks=True),
    ]


def way_back(on: Affected, done: list[Step], version: int = 0) -> tuple[Step, ...]:
    """The same way: copies first. `version`: what they held before."""
    copied = [step for step in done if step.verb == "copy"]
    restarted = [step for step in done if step.verb == "restart"]
    return (
        *syncing.steps_for(on.synced, back=True),
        *copying.way_back(copied, version=version),
        *consumers.way_back(restarted),
    )
