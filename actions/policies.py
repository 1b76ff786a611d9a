"""The policy in force: read by every process, remembered when it starts, and changed by agreement where that is asked for."""

from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import Group
from django.db import transaction
from django.utils import timezone

from approvals import groups, loader, versions
from approvals import services as approvals
from approvals.facts import Approver
from approvals.models import PolicyVersion
from approvals.queries import requirements_of
from approvals.rulings import Requirement
from approvals.tally import Outcome
from audit import writer
from audit.canonical import storable
from audit.events import Actor, ActorKind, Event
from inventory.models import Person, Team

from . import counting
from .errors import NotAllowed, TooLate, VoteDoesNotCount

MAX_NOTE = 2000

_noted: set[str] = set()
"""Digests that this process has taken note of."""


def directory() -> Path:
    return settings.CONFIGURATION.policy_dir or loader.DEFAULT_DIRECTORY


def on_disk() -> loader.Policy:
    """What the files hold, as this process read them. Raises `BadPolicy`."""
    return loader.load(directory())


def tests_on_disk() -> dict[str, str]:
    """The files with tests of it, by name. Raises `BadPolicy`."""
    return loader.read_files(directory(), tests=True)


def current_policy() -> loader.Policy:
    """What decides now. Raises `BadPolicy`.

    The first policy of all is adopted by the first question, if no process could when it started: none decides unrecorded.
    """
    found = versions.deciding(on_disk(), agreeing=settings.CONFIGURATION.policy_approvals)
    if found is None:
        take_note()
        return on_disk()
    return found


def take_note() -> PolicyVersion:
    """Remember what the files hold, and adopt or propose it. Raises `BadPolicy`."""
    agreeing = settings.CONFIGURATION.policy_approvals
    version = versions.take_note(on_disk(), agreeing=agreeing, administrators=administrators(), now=timezone.now())
    _noted.add(version.digest)
    return version


def note_once() -> None:
    """What a process that started while the database was away could not do then."""
    if not _noted:
        take_note()


def administrators() -> tuple[Approver, ...]:
    """One account for each human."""
    people = Person.objects.filter(is_superuser=True, is_active=True).select_related("same_person_as").order_by("-pk")
    found = {person.identity: Approver(person.identity, person.username, person.name) for person in people}
    return tuple(sorted(found.values(), key=lambda each: each.name.casefold()))


def doubts_about(policy: loader.Policy) -> list[str]:
    """What can be read and is hardly meant: names that nobody has. Sentences."""
    known = {
        "group": set(Group.objects.filter(user__is_active=True).values_list("name", flat=True)),
        "team": set(Team.objects.filter(approvers__user__is_active=True).values_list("slug", flat=True)),
        "person": set(Person.objects.filter(is_active=True).values_list("username", flat=True)),
    }
    doubts = [
        f"{rule.where}: rule {rule.id} asks {of}, and that is nobody."
        for rule in policy.rules
        for of in sorted(rule.groups)
        if (group := groups.parse(of)).kind in known and group.name not in known[group.kind]
    ]
    hours = settings.CONFIGURATION.request_expiry_hours
    doubts += [
        f"{rule.where}: rule {rule.id} asks others after {later.after_minutes} min, and a request expires after {hours} h by then."
        for rule in policy.rules
        for need in rule.needs
        if (later := need.escalate) and not need.expires_minutes and later.after_minutes >= hours * 60
    ]
    agreeing, there = settings.CONFIGURATION.policy_approvals, len(administrators())
    if agreeing > there:
        doubts.append(
            f"{agreeing} administrators would have to agree to a change of the policy, and there are {there}."
        )
    return doubts


def asked_about(version: PolicyVersion) -> tuple[Requirement, ...]:
    """Who has to agree to a proposed policy, and how many of them."""
    if version.round is None or version.state != versions.State.PROPOSED:
        return ()
    return requirements_of(version.round)


def is_asked(version: PolicyVersion, now: datetime) -> bool:
    """Whether a proposed policy waits for people who can still decide about it."""
    return versions.is_asked(version, settings.CONFIGURATION.policy_approvals, administrators(), now)


def ask_again(*, actor: Person) -> None:
    """Ask the other administrators once more about what the files hold. Raises `NotAllowed`, and `TooLate` when they are asked already."""
    _administrator(actor)
    here, agreeing, now = on_disk(), settings.CONFIGURATION.policy_approvals, timezone.now()
    open_now = PolicyVersion.objects.filter(digest=here.digest, state=versions.State.PROPOSED).first()
    if open_now is not None and is_asked(open_now, now):
        raise TooLate("The administrators are asked about it already. Asking again would forget who has agreed.")
    versions.propose_again(
        here, actor=_actor(actor), identity=actor.identity, agreeing=agreeing, administrators=administrators(), now=now,
    )  # fmt: skip


def decide(
    *, actor: Person, version: PolicyVersion, approve: bool, digest: str, note: str = "", entrance: str = "browser",
    looked_seconds: int | None = None,
) -> Outcome:  # fmt: skip
    """Agree to a proposed policy, or refuse it. Raises `NotAllowed`, `VoteDoesNotCount` (recorded), `TooLate`."""
    _administrator(actor)
    if version.round is None or version.state != versions.State.PROPOSED:
        raise TooLate("Nobody is asked about this policy. The page of the policy says what decides.")
    ballot = approvals.Ballot(approve, digest, storable(note)[:MAX_NOTE], entrance, looked_seconds)
    try:
        with transaction.atomic():
            fresh = versions.locked(version)
            assert fresh.round is not None
            counted = counting.count(actor, fresh.round, None, ballot)
            versions.settle(fresh, ballot, counted.outcome, actor=_actor(actor), now=counted.at)
            return counted.outcome
    except approvals.VoteRefused as refusal:
        with transaction.atomic():
            writer.record(Event(
                "vote.refused", _actor(actor), f"{refusal.rule}: {refusal}"[:400],
                details={"rule": refusal.rule, "policy": version.digest},
            ))  # fmt: skip
        raise VoteDoesNotCount(str(refusal), refusal.rule) from refusal


def _administrator(person: Person) -> None:
    if person.is_superuser:
        return
    with transaction.atomic():
        writer.record(Event("access.refused", _actor(person), "only administrators decide about the policy"))
    raise NotAllowed("Only administrators decide about the policy. What it says, everybody may read.")


def _actor(person: Person) -> Actor:
    return Actor(ActorKind.PERSON, person.username, person.pk)
