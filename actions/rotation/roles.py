"""The steps of a rotation on a role of the database engine, where the vault itself changes what the database knows.

A static role is one user, whose password is another from one moment to the next: the change is the revocation, and nothing can be
taken back. A dynamic role makes a user for each reader: new ones come with the restart, and the users of before are dropped after it.
"""

from datetime import UTC

from connectors.postgres import DatabaseAt, Login, Tried, try_login, users
from connectors.vault.rotation import Credential
from connectors.vault.seen import DYNAMIC_ROLE, STATIC_ROLE, SecretSeen

from ..protocol import Drifted, NotYet, Outcome, Plan, Step, StepFailed, Verdict, World
from .values import Evidence
from .vaulting import place, rotating

AT_ONCE = 50
"""Leases that are ended before the run is written down again."""

MOST_LEASES = 1000
"""That a run can write down."""

LEASES = "leases"
TOO_MANY = f"More than {MOST_LEASES} leases of it are out: too many for a run to write down. End some in the vault."
UNKNOWN_DATABASE = "The database is none that Afterdeck can log in to, so nothing was tried there."


def read_static(plan: Plan, world: World) -> SecretSeen:
    return world.vault.read_secret(STATIC_ROLE, *place(plan))


def last_rotation(seen: SecretSeen) -> str:
    return seen.changed_at.astimezone(UTC).isoformat() if seen.changed_at else "never"


# Static


def check(step: Step, plan: Plan, world: World) -> Evidence:
    """Nothing is changed yet: that the present password logs in is what makes its refusal later mean something."""
    seen = read_static(plan, world)
    if last_rotation(seen) != step.args["last"]:
        raise Drifted(f"It was rotated at {last_rotation(seen)}, after this was planned. Nothing was changed.")
    with rotating(world) as rotation:
        tried = _try(_database(seen, plan, world), rotation.credential(*place(plan)))
    if tried.login is Login.REFUSED:
        raise Drifted(f"{tried.sentence} Not even the present password logs in. Find out why before it is changed.")
    return {"present one": tried.sentence}


def rotate(step: Step, plan: Plan, world: World) -> Evidence:
    """Change the password, and prove with both: the new one logs in, the old one is refused. Both are in memory only, here."""
    seen = read_static(plan, world)
    at = _database(seen, plan, world)
    with rotating(world) as rotation:
        if (
            last_rotation(seen) != step.args["last"]
        ):  # since the check, a moment ago: by this run, or by whom it comes to the same
            return _proved(at, rotation.credential(*place(plan)), None)
        old = rotation.credential(*place(plan))
        world.hold()
        rotation.rotate_role(*place(plan))
        return _proved(at, rotation.credential(*place(plan)), old)


def _proved(at: DatabaseAt | None, new: Credential, old: Credential | None) -> Evidence:
    tried = _try(at, new)
    if tried.login is Login.REFUSED:
        raise StepFailed(f"{tried.sentence} The new password does not log in.")
    if old is None:
        return {
            "new one": tried.sentence,
            "old one": "Not tried: the answer to the change got lost, and with it the old password.",
        }
    refused = _try(at, old)
    if refused.login is Login.ACCEPTED:
        raise StepFailed(f"{refused.sentence} The old password still opens the database.")
    return {"new one": tried.sentence, "old one": refused.sentence}


def verify_static(plan: Plan, world: World) -> Verdict:
    seen, planned = read_static(plan, world), plan.preconditions["last rotation"]
    evidence: Evidence = {"rotated": last_rotation(seen)}
    if last_rotation(seen) == planned:
        return Verdict(Outcome.FAILED, f"The vault says that it was last rotated at {planned}.", evidence)
    if world.current_run.good_since is None:
        with rotating(world) as rotation:
            tried = _try(_database(seen, plan, world), rotation.credential(*place(plan)))
        if tried.login is Login.REFUSED:
            return Verdict(Outcome.FAILED, f"{tried.sentence} The new password does not log in.", evidence)
        evidence["login"] = tried.sentence
    return Verdict(Outcome.OK, "The new password is the only one", evidence)


# Dynamic


def note(step: Step, plan: Plan, world: World) -> Evidence:
    """Before anybody restarts: which leases are there. Those are ended later, and no other, whatever the clocks of others say."""
    if LEASES in world.current_run.evidence:
        return {LEASES: world.current_run.evidence[LEASES]}
    there, folder = world.vault.lease_ids(*place(plan)), _folder(plan)
    if len(there) > MOST_LEASES:
        raise Drifted(TOO_MANY)
    return {LEASES: " ".join(lease.removeprefix(folder) for lease in there)}


def revoke(step: Step, plan: Plan, world: World) -> Evidence:
    """End the leases of before the restarts, after the proof that the consumers have new ones. The vault drops their users."""
    seen, run = _read_dynamic(plan, world), world.current_run
    at = _database(seen, plan, world)
    done = int(run.evidence.get("leases revoked", 0))
    with rotating(world) as rotation:
        old = _left(plan, world)
        probe = rotation.lease(*place(plan)) if old and at else None
        before = users(at, probe.username, probe.password) if at and probe else None
        for lease in old[:AT_ONCE]:
            world.hold()
            rotation.revoke(lease)
        after = users(at, probe.username, probe.password) if at and probe else None
    done += len(old[:AT_ONCE])
    evidence: Evidence = {"leases revoked": done}
    if before and after:
        gone = int(run.evidence.get("database users dropped", 0)) + len(before.roles - after.roles)
        evidence |= {"database users dropped": gone, "their sessions": "none goes on"}
        if after.orphaned_sessions > before.orphaned_sessions:
            left = after.orphaned_sessions - before.orphaned_sessions
            raise StepFailed(
                f"{left} sessions of dropped users go on: the role's revocation statements do not end them."
            )
    if len(old) > AT_ONCE:
        raise NotYet(f"{done} leases are revoked, {len(old) - AT_ONCE} are left.", evidence)
    return evidence


def verify_dynamic(plan: Plan, world: World) -> Verdict:
    if not any(step.verb == "revoke" for step in plan.steps):
        return Verdict(Outcome.OK, "The leases of before run out by themselves", {})
    if world.current_run.good_since is not None:
        return Verdict(Outcome.OK, "No lease of before is left", {"leases of before": 0})
    if left := _left(plan, world):
        why = f"{len(left)} leases of before this run are still there."
        return Verdict(Outcome.FAILED, why, {"leases of before": len(left)})
    seen = _read_dynamic(plan, world)
    with rotating(world) as rotation:
        tried = _try(_database(seen, plan, world), rotation.lease(*place(plan)))
    evidence: Evidence = {"leases of before": 0, "login": tried.sentence}
    if tried.login is Login.REFUSED:
        return Verdict(Outcome.FAILED, f"{tried.sentence} A new user does not log in.", evidence)
    return Verdict(Outcome.OK, "No lease of before is left, and a new user logs in", evidence)


def _left(plan: Plan, world: World) -> list[str]:
    """Of the leases that were written down, those that are still there."""
    noted, folder = str(world.current_run.evidence[LEASES]).split(), _folder(plan)
    there = set(world.vault.lease_ids(*place(plan)))
    return [lease for each in noted if (lease := folder + each) in there]


def _folder(plan: Plan) -> str:
    return f"{plan.target.ref.namespace}/creds/{plan.target.ref.name}/"


def _read_dynamic(plan: Plan, world: World) -> SecretSeen:
    return world.vault.read_secret(DYNAMIC_ROLE, *place(plan))


def _database(seen: SecretSeen, plan: Plan, world: World) -> DatabaseAt | None:
    return world.vault.database_of(plan.target.ref.namespace, seen.connection)


def _try(at: DatabaseAt | None, who: Credential) -> Tried:
    return Tried(Login.NOT_TRIED, UNKNOWN_DATABASE) if at is None else try_login(at, who.username, who.password)
