"""Patch config: replace one passage in one text of a ConfigMap that the workload reads, then restart it if it would not notice.

The passage is asked for, not the whole text: the rest of it is nobody's business here, and what others change elsewhere in it stays.
The ConfigMap is written by server-side apply of just that key. Taking it back puts the old passage there again.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import Field

from audit.redact import redact_text
from connectors.errors import Missing, Transient
from connectors.kubernetes import PodSeen, WorkloadSeen
from connectors.kubernetes.applying import Applied
from connectors.kubernetes.claims import Claimed
from connectors.kubernetes.configmaps import KIND, ConfigMapSeen
from connectors.kubernetes.template import ReferenceSeen, references

from ..credentials import refuse_credentials
from ..owners import ownership, self_heals
from ..protocol import (
    Action,
    CannotPlan,
    Change,
    Drifted,
    Impact,
    Option,
    Outcome,
    Params,
    Plan,
    Risk,
    Step,
    Target,
    TargetKind,
    Verdict,
    World,
)
from ..registry import register
from ..templates import (
    DEADLINE_SECONDS,
    IN_FLIGHT,
    TakeOver,
    owned_by_somebody,
    refused_when_owned,
    rollout_numbers,
    taken,
    unstick,
)
from ..texts import Passage, changed_lines, closest, fingerprint, occurrences, replaced, way_back
from ..workloads import (
    availability,
    evict_stuck,
    kubectl,
    read_before_write,
    read_target,
    refuse_unready_for_rollout,
    rolling,
    rollout_evidence,
    rollout_verdict,
    trouble_in_soak,
    warnings_in_soak,
)
from ..workloads import changed_lines as changed_fields
from .restart_workload import AT_RUN, STAMP_FIELD

MOST = 2000
TEXT = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f]*$"


class PatchConfigParams(Params):
    """Which text, and what in it gives way to what."""

    entry: str = Field(
        max_length=510, title="Text", description="As ConfigMap/key.", json_schema_extra={"widget": "choice"}
    )
    find: str = Field(
        max_length=MOST, pattern=TEXT, title="Replace", description="A passage that is in the text exactly once.",
        json_schema_extra={"widget": "area"},
    )  # fmt: skip
    replace: str = Field(
        "", max_length=MOST, pattern=TEXT, title="By", description="No credential: it is shown and kept.",
        json_schema_extra={"widget": "area"},
    )  # fmt: skip
    restart: bool = Field(
        True,
        title="Restart it afterwards",
        description="What is read as environment, or as a single file, is read only when a container starts.",
    )
    take_over: TakeOver = False


@register
class PatchConfig(Action[PatchConfigParams]):
    id, title, icon, risk = "patch-config", "Patch config", "file-diff", Risk.MEDIUM
    target, kinds = TargetKind.WORKLOAD, ("Deployment", "StatefulSet", "DaemonSet")
    preposition = "of"
    params = PatchConfigParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        _, texts = _texts(target, world)
        entry, (reference, _) = next(iter(texts.items()))
        return {"entry": entry, "find": "", "replace": "", "restart": reference.at_start, "take_over": False}

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        _, texts = _texts(target, world)
        return {"entry": [_option(entry, reference, text) for entry, (reference, text) in texts.items()]}

    def plan(self, target: Target, params: PatchConfigParams, world: World) -> Plan:
        seen, texts = _texts(target, world)
        if params.entry not in texts:
            raise CannotPlan(f"It reads no {params.entry}. It reads {', '.join(list(texts)[:10])}.")
        name, _, key = params.entry.partition("/")
        reference, old = texts[params.entry]
        config = world.cluster.read_config_map(target.ref.namespace, name)
        if config.immutable:
            raise CannotPlan(f"The ConfigMap {name} is immutable. Deploy another one and let the workload read that.")
        passage, back = _passages(params, old)
        new = replaced(old, passage)
        path = f"data.{key}"
        lines = changed_lines(path, old, new)
        refuse_credentials(key, back.find, back.replace, *(f"{line.before}\n{line.after}" for line in lines))
        with refused_when_owned():
            applied = self._write(world, config, key, new, execution="plan", take_over=params.take_over, dry_run=True)
        of_config = Change(str(config.ref), lines)
        restart = _restart(target, seen, world) if params.restart else None
        args = {"config": name, "uid": config.ref.uid, "key": key}
        forth = {
            **args,
            "find": passage.find,
            "replace": passage.replace,
            "from": fingerprint(old),
            "becomes": fingerprint(new),
        }
        again = {
            **args,
            "find": back.find,
            "replace": back.replace,
            "from": fingerprint(new),
            "becomes": fingerprint(old),
        }
        others = [ref.name for ref in world.cluster.readers_of(config.ref) if ref.uid != seen.ref.uid]
        return Plan(
            action=self.id,
            target=target,
            params={
                "entry": params.entry, "find": passage.find, "replace": passage.replace, "restart": params.restart,
                "take_over": params.take_over,
            },
            summary=f"Patch config of {target.ref.name}, {params.entry}{', and restart' if restart else ''}",
            preconditions={
                "config": config.ref.uid, "text": fingerprint(old), **({"template": seen.template_hash} if restart else {}),
            },
            changes=(of_config, *([restart] if restart else [])),
            steps=(
                Step("text", f"Change {key} of ConfigMap {name}", "text", forth),
                *([Step("restart", f"Restart {target.ref.kind} {target.ref.name}", "restart")] if restart else []),
            ),
            revert=(
                Step("text-back", f"Put the old passage back into {key} of ConfigMap {name}", "text", again, undoes="text"),
                *(_way_back(seen) if restart else ()),
            ),
            no_revert="",
            undo={"entry": params.entry, "find": back.find, "replace": back.replace, "restart": params.restart},
            no_undo="",
            irreversible=(IN_FLIGHT,) if restart else (),
            eject=_eject(target, name, restart=restart is not None),
            soak_seconds=world.soak_seconds,
            deadline_seconds=DEADLINE_SECONDS,
            numbers={
                **(rollout_numbers(seen) if restart else {"replicas_before": seen.wanted, "replicas_after": seen.wanted}),
                "self_heals": self_heals(config.owner, [of_config]),
                "takes_over": sum(claim.declared for claim in applied.taken_from),
            },
            impact=(
                *([availability(seen, world.cluster.budgets_of(seen))] if restart else []),
                _blast(seen, others, restart=restart is not None),
                _effect(reference, restart=restart is not None),
                *taken(applied.taken_from),
                *ownership(config.owner, "the text", [of_config]),
            ),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        if step.verb == "text":
            return self._apply_text(step, plan, world)
        run, seen = world.current_run, read_before_write(world.cluster, plan.target)
        as_planned = seen.template_hash == plan.preconditions["template"]
        if step.verb == "evict":
            if not as_planned:
                raise Drifted("Somebody else changed the template after it was put back, so no pod was evicted.")
            return evict_stuck(seen, world)
        back = step in plan.revert
        if seen.execution == run.id and (not back or as_planned):
            return _restarted(seen)
        if not as_planned and (not back or seen.execution != run.id or seen.restarted_at != run.stamp):
            raise Drifted("The pod template is no longer what was planned on, so nothing was restarted.")
        world.hold()
        before = step.args.get("stamp")
        stamp = run.stamp if not back else None if before is None else str(before)
        done = world.cluster.restart(
            seen.ref, as_=world.person, stamp=stamp, execution=run.id, seen=seen.resource_version
        )
        return _restarted(done) | ({} if back else {"ready before": seen.ready})

    def _apply_text(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        run, args, back = world.current_run, step.args, step in plan.revert
        config = world.cluster.read_config_map(plan.target.ref.namespace, str(args["config"]))
        if config.ref.uid != args["uid"]:
            raise Drifted(f"{config.ref} was replaced by another one of the same name. Nothing was changed.")
        text = config.data.get(str(args["key"]), "")
        now, ours = fingerprint(text), config.execution == run.id
        if ours and (not back or now == args["becomes"]):
            return _written(config)
        # Back also writes what is as before already: our own change may be late, and does not fit another version.
        as_before = back and now == args["becomes"]
        if not as_before and (now != args["from"] or (back and not ours)):
            raise Drifted("Somebody else has changed that text meanwhile. Nothing was changed.")
        world.hold()
        new = text if as_before else replaced(text, Passage(str(args["find"]), str(args["replace"])))
        take_over = bool(plan.params.get("take_over"))
        try:
            done = self._write(world, config, str(args["key"]), new, execution=run.id, take_over=take_over)
        except Claimed as refusal:
            raise Drifted(f"{owned_by_somebody(refusal.claims)} Nothing was changed.") from refusal
        return _written(done.seen)

    def _write(
        self, world: World, config: ConfigMapSeen, key: str, text: str, *, execution: str, take_over: bool, dry_run: bool = False
    ) -> Applied[ConfigMapSeen]:  # fmt: skip
        return world.cluster.applying.set_config_text(
            config.ref, as_=world.person, key=key, text=text, execution=execution, seen=config.resource_version, take_over=take_over,
            dry_run=dry_run,
        )  # fmt: skip

    def verify(self, plan: Plan, world: World) -> Verdict:
        """The text is there; and what was restarted has come up with it, or else what runs has not fallen over it."""
        run, step = world.current_run, plan.steps[0]
        seen, pods, evidence = _look(plan, world)
        if not _is_there(step, plan, world):
            return Verdict(Outcome.FAILED, "Somebody else changed that text after this run did.", evidence)
        warnings = warnings_in_soak(world.cluster, seen, run)
        if plan.params["restart"]:
            if seen.restarted_at != run.stamp:
                return Verdict(Outcome.FAILED, "Somebody else changed the workload after the restart.", evidence)
            return rollout_verdict(seen, pods, run, world.now, "restarted", warnings)
        return trouble_in_soak(seen, pods, run, evidence, warnings) or Verdict(
            Outcome.OK, f"The text is there; {seen.ready} of {seen.wanted} ready", evidence
        )

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        seen, _, evidence = _look(plan, world)
        if not _is_there(plan.revert[0], plan, world):
            return Verdict(Outcome.FAILED, "Somebody else changed that text after it was put back.", evidence)
        if plan.params["restart"] and seen.template_hash != plan.preconditions["template"]:
            return Verdict(Outcome.FAILED, "Somebody else changed the workload after it was put back.", evidence)
        as_before = min(seen.wanted, int(world.current_run.evidence.get("ready before", 0)))
        ready = f"{seen.ready} of {seen.wanted} ready"
        if plan.params["restart"] and (rolling(seen) or seen.ready < as_before):
            return Verdict(Outcome.WAIT, ready, evidence)
        return Verdict(Outcome.OK, f"The old text is there; {ready}", evidence)


def _texts(target: Target, world: World) -> tuple[WorkloadSeen, dict[str, tuple[ReferenceSeen, str]]]:
    """The workload, and each text that it reads by `ConfigMap/key`. Raises `CannotPlan` when there is none."""
    seen = read_target(world.cluster, target)
    current = next(
        (each for each in world.cluster.revisions_of(seen) if each.template_hash == seen.template_hash), None
    )
    if current is None:
        raise Transient("The cluster has not numbered its present template yet. Look again in a moment.")
    texts: dict[str, tuple[ReferenceSeen, str]] = {}
    for reference in references(current.template):
        if reference.kind != KIND:
            continue
        try:
            config = world.cluster.read_config_map(target.ref.namespace, reference.name)
        except Missing:
            continue
        texts |= {f"{reference.name}/{key}": (reference, text) for key, text in sorted(config.data.items())}
    if not texts:
        raise CannotPlan("It reads no text of a ConfigMap. Change it where it is deployed from.")
    return seen, texts


def _passages(params: PatchConfigParams, old: str) -> tuple[Passage, Passage]:
    """What is asked for and its inverse. A form sends the line ends of the web. Raises `CannotPlan` with what is there instead."""
    passage = Passage(params.find.replace("\r\n", "\n"), params.replace.replace("\r\n", "\n"))
    if not passage.find:
        raise CannotPlan("Say which passage of the text gives way, and to what.")
    if passage.find == passage.replace:
        raise CannotPlan("The two passages are the same. Say what it gives way to.")
    count = occurrences(old, passage.find)
    if not count:
        near = redact_text(closest(old, passage.find))
        hint = f" Near it is “{near[:120]}”." if near else ""
        raise CannotPlan(f"That passage is not in {params.entry}.{hint}")
    if count > 1:
        raise CannotPlan(f"That passage is {count} times in {params.entry}. Take in more of what stands around it.")
    if not replaced(old, passage):
        raise CannotPlan("Nothing would be left of the text. Change it where it is deployed from.")
    back = way_back(old, passage)
    if max(len(back.find), len(back.replace)) > MOST:
        raise CannotPlan("What it gives way to is too common in the text to be found again. Make it more distinct.")
    return passage, back


def _restart(target: Target, seen: WorkloadSeen, world: World) -> Change:
    refuse_unready_for_rollout(seen)
    dry = world.cluster.restart(
        seen.ref, as_=world.person, stamp=world.now.isoformat(timespec="seconds"), execution="plan", seen=seen.resource_version,
        dry_run=True,
    )  # fmt: skip
    return Change(target.label, changed_fields(seen.fields, dry.fields, {STAMP_FIELD: AT_RUN}))


def _way_back(seen: WorkloadSeen) -> tuple[Step, ...]:
    restore = Step(
        "restart-back", "Put the old template back", "restart", {"stamp": seen.restarted_at}, undoes="restart"
    )
    evict = unstick("evict-back", seen, when=True)
    return (restore, *(Step(each.id, each.title, each.verb, undoes="restart") for each in evict))


def _look(plan: Plan, world: World) -> tuple[WorkloadSeen, list[PodSeen], dict[str, str | int]]:
    ref = plan.target.ref
    seen = world.cluster.read_workload(ref.kind, ref.namespace, ref.name)
    pods = world.cluster.pods_of(seen)
    return seen, pods, rollout_evidence(seen, pods)


def _is_there(step: Step, plan: Plan, world: World) -> bool:
    config = world.cluster.read_config_map(plan.target.ref.namespace, str(step.args["config"]))
    there = config.data.get(str(step.args["key"]), "")
    return config.ref.uid == step.args["uid"] and fingerprint(there) == step.args["becomes"]


def _option(entry: str, reference: ReferenceSeen, text: str) -> Option:
    lines = len(text.splitlines())
    when = "read when it starts" if reference.at_start else "mounted, so that running pods see it change"
    return Option(entry, entry, f"{lines} {'line' if lines == 1 else 'lines'}, {when}")


def _blast(seen: WorkloadSeen, others: Sequence[str], *, restart: bool) -> Impact:
    pods = f", {seen.wanted} {'pod' if seen.wanted == 1 else 'pods'}" if restart else ""
    if not others:
        return Impact("Blast radius", f"1 text{pods}", "Nothing else in the namespace reads that ConfigMap.")
    more = f" and {len(others) - 5} more" if len(others) > 5 else ""
    meaning = f"{', '.join(others[:5])}{more} read that ConfigMap too, and are not restarted."
    return Impact("Blast radius", f"1 text{pods}, {len(others) + 1} workloads", meaning, worry=True)


def _effect(reference: ReferenceSeen, *, restart: bool) -> Impact:
    if restart:
        return Impact("Takes effect", "By a restart", "All pods are replaced, and read it when they start.")
    if reference.at_start:
        meaning = "It is read when a container starts, and nothing is restarted: pods go on with the old text."
        return Impact("Takes effect", "At the next start", meaning, worry=True)
    meaning = "Nodes bring it to running pods by and by. Whether a process looks again is its own affair, and is not verified."
    return Impact("Takes effect", "In about a minute", meaning)


def _eject(target: Target, name: str, *, restart: bool) -> tuple[str, ...]:
    edit = kubectl(target, "edit", f"configmap/{name}")
    again = kubectl(target, "rollout restart", f"{target.ref.kind.lower()}/{target.ref.name}")
    return (edit, again) if restart else (edit,)


def _written(config: ConfigMapSeen) -> dict[str, str | int]:
    return {"config": config.ref.name, "resourceVersion": config.resource_version}


def _restarted(seen: WorkloadSeen) -> dict[str, str | int]:
    return {
        "generation": seen.generation,
        "template": seen.template_hash[:12],
        "restartedAt": seen.restarted_at or "none",
    }
