"""The contract of every action, as tests that its author runs too.

Subclass `ActionContract` in a test module, give it the fixture `subject`, and pytest does the rest:

    class TestCordon(ActionContract):
        @pytest.fixture
        def subject(self): ...

It needs pytest, which the package itself does not. What the engine adds (journal, crashes, undo) it promises for any action that
keeps this.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Protocol

import pytest
from django.utils import timezone

from connectors.errors import Conflict, Transient

from .errors import BadParams
from .planning import make_plan, read_params
from .protocol import Drifted, NotYet, Outcome, Plan, Run, Step, Target, Verdict, World, plan_from
from .registry import AnyAction, action_named

PATIENCE = 60.0
"""Seconds after which a test gives up on the outside."""

HOSTILE_VALUES: tuple[Any, ...] = (
    -1, 2**31, 2**63, 10**5000, 1.0, 1.5, float("nan"), float("inf"), True, "", "1.0", "4", "NaN", "٣", "1_000", "9" * 5000,
    "\x00", "\ud800", "../..", [], {}, [[]], b"1",
)  # fmt: skip
"""What a caller may send where a whole number is wanted. None of it is one, and nothing is coerced."""


class Subject(Protocol):
    """An action and something real to use it on, at rest. A protocol, so that a test module may build it as it likes."""

    @property
    def action(self) -> AnyAction: ...

    @property
    def target(self) -> Target: ...

    @property
    def world(self) -> World:
        """As while planning: without a run."""
        ...

    @property
    def good(self) -> Mapping[str, Any]:
        """Parameters that can be planned now."""
        ...

    @property
    def numbers(self) -> Sequence[str]:
        """The parameters that are whole numbers."""
        ...

    @property
    def secrets(self) -> Sequence[str]:
        """Values of credentials that the target's own declaration holds, for instance in an environment variable."""
        ...

    def effects(self) -> int:
        """How many writes the outside has on record."""
        ...

    def declared(self) -> object:
        """What the target is declared to be."""
        ...

    def rest(self) -> None:
        """Wait until nothing moves. Before a test that is the fixture's work."""
        ...

    def drift(self) -> None:
        """Somebody else changes what a plan of `good` rests on."""
        ...

    def spoil(self) -> None:
        """Somebody else breaks the result after the steps are done."""
        ...


class ActionContract:
    """What holds for every action."""

    @pytest.fixture
    def subject(self) -> Subject:
        pytest.fail(f"{type(self).__name__} has no fixture `subject` of its own, so there is nothing to test.")

    def effects_of(self, plan: Plan) -> int:
        """How many writes the steps of a plan are, as `Subject.effects` counts. Override it where a step only looks, or writes twice."""
        return len(plan.steps)

    def test_planning_writes_nothing(self, subject: Subject) -> None:
        effects, declared = subject.effects(), subject.declared()
        _plan(subject)
        subject.action.defaults(subject.target, subject.world)
        assert (subject.effects(), subject.declared()) == (effects, declared)

    def test_nothing_can_be_done_while_planning(self, subject: Subject) -> None:
        plan, effects = _plan(subject), subject.effects()
        with pytest.raises(LookupError):
            subject.action.apply(plan.steps[0], plan, subject.world)
        assert subject.effects() == effects

    def test_the_same_world_gives_the_same_digest(self, subject: Subject) -> None:
        later = replace(subject.world, now=subject.world.now + timedelta(hours=1))
        assert _plan(subject).digest == _plan(subject, later).digest

    def test_a_plan_can_be_read_back_byte_by_byte(self, subject: Subject) -> None:
        plan = _plan(subject)
        assert plan_from(json.loads(plan.text)).text == plan.text

    def test_a_plan_says_all_that_somebody_who_signs_has_to_know(self, subject: Subject) -> None:
        plan = _plan(subject)
        steps = [step.id for step in (*plan.steps, *plan.revert)]
        assert plan.summary and plan.eject and plan.impact and plan.preconditions
        assert [line for change in plan.changes for line in change.lines], "The dry run shows no change."
        assert len(steps) == len(set(steps))
        final = any(step.final for step in plan.steps)  # until then it can be taken back, and from then on not
        assert plan.no_revert if final else bool(plan.revert) != bool(plan.no_revert), (
            "It can be taken back, or says why not."
        )
        assert (plan.undo is None) == bool(plan.no_undo), "Either it can be undone, or it says why not."

    def test_what_undoes_it_can_be_asked_for(self, subject: Subject) -> None:
        plan = _plan(subject)
        action = action_named(plan.undo_action) if plan.undo_action else subject.action
        assert plan.undo is None or read_params(action, plan.undo)

    def test_what_is_not_a_number_is_refused_with_the_field_and_the_reason(self, subject: Subject) -> None:
        for name in subject.numbers:
            for value in HOSTILE_VALUES:
                with pytest.raises(BadParams) as refusal:
                    read_params(subject.action, {**subject.good, name: value})
                assert [*refusal.value.fields] == [name]
                assert len(str(refusal.value)) < 500
                str(refusal.value).encode()

    def test_an_unknown_parameter_is_refused(self, subject: Subject) -> None:
        deep: list[Any] = []
        for _ in range(100_000):
            deep = [deep]
        for name, value in {
            "namespace": "kube-system",
            "__class__": 1,
            "\ud800": 1,
            "x" * 10_000: 1,
            "deep": deep,
        }.items():
            with pytest.raises(BadParams) as refusal:
                read_params(subject.action, {**subject.good, name: value})
            str(refusal.value).encode()
            assert len(str(refusal.value)) < 500

    def test_a_step_done_twice_is_done_once(self, subject: Subject) -> None:
        plan, effects = _plan(subject), subject.effects()
        world = _running(subject)
        for step in plan.steps:
            world, _ = _done(subject, step, plan, world)
            done = subject.declared()
            _done(subject, step, plan, world)
            assert subject.declared() == done
        assert subject.effects() == effects + self.effects_of(plan)

    def test_nothing_is_done_to_what_somebody_else_has_changed(self, subject: Subject) -> None:
        plan = _plan(subject)
        subject.drift()
        subject.rest()
        effects = subject.effects()
        with pytest.raises(Drifted) as refusal:
            subject.action.apply(plan.steps[0], plan, _running(subject))
        assert str(refusal.value).endswith(".")
        assert subject.effects() == effects
        assert _plan(subject).digest != plan.digest

    def test_what_was_done_is_verified_and_can_be_taken_back_exactly(self, subject: Subject) -> None:
        before, plan, world = subject.declared(), _plan(subject), _running(subject)
        world, _ = _all_done(subject, plan, world)
        assert _decided(lambda: subject.action.verify(plan, _now(world))).outcome is Outcome.OK
        assert subject.declared() != before
        for step in plan.revert:
            _done(subject, step, plan, world)
        if plan.revert:
            assert _decided(lambda: subject.action.verify_revert(plan, _now(world))).outcome is Outcome.OK
            assert subject.declared() == before

    def test_no_secret_of_the_target_is_in_what_is_kept_and_shown(self, subject: Subject) -> None:
        plan, world = _plan(subject), _running(subject)
        world, evidence = _all_done(subject, plan, world)
        verdict = subject.action.verify(plan, _now(world))
        shown = " ".join(map(repr, (plan.text, plan.impact, plan.numbers, evidence, verdict)))
        assert [secret for secret in subject.secrets if secret in shown] == []

    def test_verification_fails_when_the_result_is_not_as_planned(self, subject: Subject) -> None:
        plan, world = _plan(subject), _running(subject)
        world, _ = _all_done(subject, plan, world)
        subject.spoil()
        verdict = _decided(lambda: subject.action.verify(plan, _now(world)))
        assert verdict.outcome is Outcome.FAILED
        assert verdict.sentence.endswith(".")


def _plan(subject: Subject, world: World | None = None) -> Plan:
    return make_plan(subject.action, subject.target, read_params(subject.action, subject.good), world or subject.world)


def _running(subject: Subject) -> World:
    """The world of a run of its own. Two runs of a real portal have different numbers and seconds, too."""
    number = time.monotonic_ns()
    stamp = (timezone.now() + timedelta(seconds=number % 10**6)).isoformat(timespec="seconds")
    return replace(subject.world, run=Run(str(number), stamp))


def _all_done(subject: Subject, plan: Plan, world: World) -> tuple[World, list[Mapping[str, str | int]]]:
    """The world after all steps, and what was kept of each."""
    kept = []
    for step in plan.steps:
        world, evidence = _done(subject, step, plan, world)
        kept.append(evidence)
    return replace(world, run=replace(world.current_run, applied_at=timezone.now())), kept


def _now(world: World) -> World:
    return replace(world, now=timezone.now())


def _decided(observe: Callable[[], Verdict]) -> Verdict:
    """The first verdict that is not *wait*."""
    deadline = time.monotonic() + PATIENCE
    while (verdict := observe()).outcome is Outcome.WAIT:
        assert time.monotonic() < deadline, verdict
        time.sleep(0.1)
    return verdict


def _done(subject: Subject, step: Step, plan: Plan, world: World) -> tuple[World, Mapping[str, str | int]]:
    """As the engine does: a step that is not done yet keeps its evidence, and what the outside cannot do yet, or moved under our
    hands, is tried again.
    """
    deadline = time.monotonic() + PATIENCE
    kept: dict[str, str | int] = {}
    while True:
        try:
            evidence = subject.action.apply(step, plan, _now(world))
        except (Transient, Conflict, NotYet) as later:
            assert time.monotonic() < deadline, later
            kept |= later.evidence if isinstance(later, NotYet) else {}
            world = _knowing(world, kept)
            time.sleep(0.1)
        else:
            kept |= evidence
            return _knowing(world, kept), kept


def _knowing(world: World, evidence: Mapping[str, str | int]) -> World:
    run = world.current_run
    return replace(world, run=replace(run, evidence={**run.evidence, **evidence}))
