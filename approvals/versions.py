"""Which policy decides. Every one that was ever read is kept by its digest with its files, and each change is in the record.

Where nobody has to agree to a change, the files decide and this only remembers them. Else a new content of the files is a proposal, and
the last adopted one decides until so many administrators have agreed; whoever can write the files then cannot change what they rule.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache

import structlog
from django.db import connection, transaction

from audit import writer
from audit.events import SYSTEM, Actor, Event

from . import groups
from . import services as rounds
from .facts import Approver
from .loader import Policy, load_texts
from .models import PolicyVersion, Round
from .queries import requirements_of
from .reading import BadPolicy
from .rulings import Requirement
from .services import Ballot
from .tally import Outcome, can_meet

log = structlog.get_logger(__name__)

State = PolicyVersion.State
RULE = "policy-change"
LOCK = 0x0AF7E2DE
KEPT_OPEN = timedelta(days=365)
"""So long a proposal waits. Until then, and after, what was adopted decides."""


@dataclass(frozen=True)
class Changes:
    """The ids of rules and schedules that one policy has and another has not, or has otherwise."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: tuple[str, ...]

    @property
    def sentence(self) -> str:
        parts = (("added", self.added), ("removed", self.removed), ("changed", self.changed))
        return "; ".join(f"{word} {', '.join(ids)}" for word, ids in parts if ids) or "only in how it is written"


def changes_between(before: Policy | None, after: Policy) -> Changes:
    old, new = _said(before) if before else {}, _said(after)
    return Changes(
        tuple(name for name in new if name not in old),
        tuple(name for name in old if name not in new),
        tuple(name for name in new if name in old and new[name] != old[name]),
    )


def _said(policy: Policy) -> dict[str, object]:
    """A schedule and a rule may have the same name."""
    schedules = {f"schedule {name}": text for name, text in policy.schedules.items()}
    return {**schedules, **{rule.id: rule.text for rule in policy.rules}}


def adopted() -> PolicyVersion | None:
    return PolicyVersion.objects.filter(state=State.ADOPTED).first()


def deciding(on_disk: Policy, *, agreeing: int) -> Policy | None:
    """The policy that answers now; `None` while changes are agreed to and none was adopted yet.

    Raises `BadPolicy` when what was adopted cannot be read any more.
    """
    if not agreeing:
        return on_disk
    digest = PolicyVersion.objects.filter(state=State.ADOPTED).values_list("digest", flat=True).first()
    if digest is None:
        return None
    return on_disk if digest == on_disk.digest else compiled(digest)


@lru_cache(maxsize=16)
def compiled(digest: str) -> Policy:
    """A version that was read before, as a policy. Raises `BadPolicy` when it does not load by now."""
    files: Mapping[str, str] = PolicyVersion.objects.values_list("files", flat=True).get(digest=digest)
    try:
        return load_texts(files)
    except BadPolicy as problem:
        raise BadPolicy(f"version {digest[:8]}: {problem}") from problem


def take_note(on_disk: Policy, *, agreeing: int, administrators: Sequence[Approver], now: datetime) -> PolicyVersion:
    """Remember what the files hold, as every process does when it starts: adopt it, or propose it. Twice is once."""
    with transaction.atomic():
        _one_at_a_time()
        version, new = PolicyVersion.objects.get_or_create(
            digest=on_disk.digest, defaults={"files": dict(on_disk.files), "state": State.RETIRED, "seen_at": now}
        )
        current = adopted()
        if version.state == State.ADOPTED:
            _withdraw_others(version, now)
        elif not agreeing or current is None:
            _adopt(version, SYSTEM, now)
        elif new or version.state == State.RETIRED or not is_asked(version, agreeing, administrators, now):
            _propose(version, on_disk, agreeing, administrators, now)
    return version


def is_asked(version: PolicyVersion, agreeing: int, administrators: Sequence[Approver], now: datetime) -> bool:
    """Whether so many are asked about it and can still answer, or it was refused: who and how many is frozen with the question.

    `administrators` are those of now. When too few of those who were asked are left, it is asked as long as there is nobody else.
    """
    asked = version.round
    if version.state != State.PROPOSED or asked is None:
        return version.state == State.REJECTED
    needs, there = requirements_of(asked), {each.identity for each in administrators}
    if [need.count for need in needs] != [agreeing] or asked.state != Round.State.OPEN or asked.expires_at <= now:
        return False
    return can_meet(needs, there) or there <= {each.identity for need in needs for each in need.people}


def propose_again(
    on_disk: Policy, *, actor: Actor, identity: int, agreeing: int, administrators: Sequence[Approver], now: datetime
) -> None:
    """Ask once more for what the files hold: it was refused, or other administrators are to be asked.

    It is that human's question then, so they do not answer it.
    """
    with transaction.atomic():
        _one_at_a_time()
        version = PolicyVersion.objects.filter(digest=on_disk.digest).exclude(state=State.ADOPTED).first()
        if version is not None and agreeing:
            others = [each for each in administrators if each.identity != identity]
            _propose(version, on_disk, agreeing, others, now, actor, identity)


def locked(version: PolicyVersion) -> PolicyVersion:
    """The version as it is now, which nobody else decides about until the caller's transaction ends."""
    _one_at_a_time()
    return PolicyVersion.objects.select_related("round").get(pk=version.pk)


def settle(version: PolicyVersion, ballot: Ballot, outcome: Outcome, *, actor: Actor, now: datetime) -> None:
    """Record one decision about a proposal, and adopt or refuse it when that decided it.

    Call it in the transaction that has `locked` it and counted the decision.
    """
    word = "agree" if ballot.approves else "refuse"
    details: dict[str, object] = {
        "digest": version.digest,
        "decision": word,
        "note": ballot.note,
        "entrance": ballot.entrance,
    }
    writer.record(Event("vote.cast", actor, f"{word}, policy {version.digest[:8]}", details=details))
    if outcome is Outcome.APPROVED:
        _adopt(version, actor, now)
    elif outcome is Outcome.REJECTED:
        _move(version, State.REJECTED)
        writer.record(
            Event("policy.rejected", actor, f"policy {version.digest[:8]}: {ballot.note}"[:400], details=details)
        )


def _adopt(version: PolicyVersion, actor: Actor, now: datetime) -> None:
    before = adopted()
    if before is not None:
        _move(before, State.RETIRED, retired_at=now)
    _withdraw_others(version, now)
    _move(version, State.ADOPTED, adopted_at=now, retired_at=None)
    changes = changes_between(_readable(before), load_texts(version.files))
    writer.record(
        Event("policy.adopted", actor, f"policy {version.digest[:8]} decides: {changes.sentence}"[:400], details={
            "digest": version.digest, "before": before.digest if before else "", "added": list(changes.added),
            "removed": list(changes.removed), "changed": list(changes.changed),
        })
    )  # fmt: skip
    log.info("policy.adopted", policy=version.digest)


def _propose(
    version: PolicyVersion,
    policy: Policy,
    agreeing: int,
    administrators: Sequence[Approver],
    now: datetime,
    actor: Actor = SYSTEM,
    identity: int = 0,
) -> None:
    _withdraw_others(version, now)
    if version.round is not None:
        rounds.close_round(version.round, now=now)
    need = Requirement(RULE, agreeing, groups.ADMINISTRATORS, tuple(administrators))
    version.round = rounds.open_round(
        kind=Round.Kind.POLICY, digest=version.digest, requester_identity=identity, requirements=[need], now=now,
        expires_at=now + KEPT_OPEN, risk=3,
    )  # fmt: skip
    version.state = State.PROPOSED
    version.save(update_fields=["round", "state"])
    changes = changes_between(_readable(adopted()), policy)
    writer.record(
        Event("policy.proposed", actor, f"policy {version.digest[:8]}: {changes.sentence}"[:400], details={
            "digest": version.digest, "agreeing": agreeing, "asked": sorted(each.username for each in administrators),
            "added": list(changes.added), "removed": list(changes.removed), "changed": list(changes.changed),
        })
    )  # fmt: skip
    log.warning("policy.proposed", policy=version.digest, agreeing=agreeing, administrators=len(administrators))


def _withdraw_others(version: PolicyVersion, now: datetime) -> None:
    """The files hold something else by now, so nobody is asked about what they held."""
    for other in PolicyVersion.objects.filter(state=State.PROPOSED).exclude(pk=version.pk).select_related("round"):
        if other.round is not None:
            rounds.close_round(other.round, now=now)
        _move(other, State.RETIRED, retired_at=now)
        said = f"policy {other.digest[:8]} is asked about no more: the files hold {version.digest[:8]}"
        writer.record(Event("policy.withdrawn", SYSTEM, said, details={"digest": other.digest, "by": version.digest}))


def _move(version: PolicyVersion, state: str, **changes: datetime | None) -> None:
    version.state = state
    for name, value in changes.items():
        setattr(version, name, value)
    version.save(update_fields=["state", *changes])


def _readable(version: PolicyVersion | None) -> Policy | None:
    """For telling what changed; what an older portal read may not load in this one."""
    try:
        return load_texts(version.files) if version else None
    except BadPolicy:
        return None


def _one_at_a_time() -> None:
    """The web and the workers start together."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
