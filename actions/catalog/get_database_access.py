"""Get access to a database: a user made for this one grant, valid until its end, with the rights of an administrator's role.

The login is made when the person asks for it and kept nowhere. It is a lease below a token of its own that the vault ends on time, and the
database itself ends it too where the role says `VALID UNTIL`. At the end the vault drops the user and ends its sessions.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.errors import Missing
from connectors.vault.access import DATABASE_POLICY, DynamicRoleSeen

from ..access import (
    BY_ITSELF,
    DEADLINE,
    USUAL,
    Minutes,
    beside_the_work_on_it,
    lapses,
    length,
    refuse_longer,
)
from ..protocol import (
    CannotPlan,
    Change,
    Drifted,
    HandOver,
    Impact,
    Line,
    Params,
    Plan,
    Risk,
    Step,
    Target,
    TargetKind,
    World,
)
from ..registry import register
from ..vault_access import VaultAccess, refused_when_drifted, seconds_until


class DatabaseAccessParams(Params):
    """How long; what it may do is what the role says."""

    minutes: Minutes = USUAL


@register
class GetDatabaseAccess(VaultAccess[DatabaseAccessParams]):
    id, title, icon, risk = "get-database-access", "Get access", "key", Risk.MEDIUM
    preposition = "to"
    target, kinds = TargetKind.SECRET, ("dynamic-role",)
    agreed_on, fetched, ended_by = "role", "login", "end-database-access"
    params = DatabaseAccessParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        longest = world.vault.access.dynamic_role(target.ref.namespace, target.ref.name).longest_seconds
        return {"minutes": min(USUAL, longest // 60) if longest else USUAL}

    def plan(self, target: Target, params: DatabaseAccessParams, world: World) -> Plan:
        access, mount, name = world.vault.access, target.ref.namespace, target.ref.name
        role = access.dynamic_role(mount, name)
        refuse_longer(params.minutes, role.longest_seconds, f"The role {name}")
        refuse_longer(params.minutes, access.longest_seconds(), "The vault's token role for access")
        try:
            access.policy(DATABASE_POLICY)
        except Missing:
            raise CannotPlan(
                f"The vault has no policy {DATABASE_POLICY}. An administrator makes it from deploy/vault/access-database.hcl."
            ) from None
        return Plan(
            action=self.id,
            target=beside_the_work_on_it(target),
            params=params.model_dump(mode="json"),
            summary=f"Access to a database by {mount}/{name} for {length(params.minutes)}",
            preconditions={"role": role.version},
            changes=(
                Change(
                    f"A user by {mount}/{name}",
                    (
                        *(Line(f"creation {number}", "", line) for number, line in enumerate(role.making, 1)),
                        Line("valid", "", f"what is left of {length(params.minutes)}"),
                    ),
                ),
            ),
            steps=(Step("open", "See that the role is still the one agreed to; the user is made when you fetch the login", "open"),),
            revert=(Step("close", "Let it lapse: nothing was given yet", "close", undoes="open"),),
            no_revert="",
            undo=None,
            no_undo=BY_ITSELF,
            irreversible=("What you read and change meanwhile, in the name of that user.",),
            eject=(f"bao read {mount}/creds/{name}", f"bao lease renew -increment={params.minutes}m LEASE"),
            soak_seconds=0,
            deadline_seconds=int(DEADLINE.total_seconds()),
            lasts_seconds=params.minutes * 60,
            numbers={"minutes": params.minutes, "percent": 0},
            impact=(
                lapses(_how_it_ends(role), params.minutes),
                *_worries(role),
            ),
        )  # fmt: skip

    def look_again(self, plan: Plan, world: World) -> DynamicRoleSeen:
        """Raises `Drifted` when it is no longer the one that was agreed to."""
        try:
            role = world.vault.access.dynamic_role(plan.target.ref.namespace, plan.target.ref.name)
        except Missing as gone:
            raise Drifted(f"The role {plan.target.ref.name} is gone. Nothing was given.") from gone
        if role.version != plan.preconditions["role"]:
            raise Drifted(f"The role {plan.target.ref.name} is no longer what was agreed to. Nothing was given.")
        return role

    def hand_over(self, plan: Plan, handle: Mapping[str, str | int], ends_at: datetime, world: World) -> HandOver:
        """A user for what is left of the time."""
        access, target = world.vault.access, plan.target
        with refused_when_drifted():
            role = self.look_again(plan, world)
        self.revoke(plan, handle, world)
        seconds = seconds_until(ends_at)
        opened = access.open(DATABASE_POLICY, seconds, person=world.person.user, mark=str(handle["mark"]))
        login = access.login(opened, target.ref.namespace, target.ref.name, seconds)
        at = world.vault.database_of(target.ref.namespace, role.connection)
        where = {"host": at.host, "port": str(at.port), "database": at.name} if at else {}
        kept = {"accessor": opened.accessor, "lease": login.lease, "username": login.username}
        return HandOver("database", {**where, "username": login.username, "password": login.password}, kept)

    def revoke(self, plan: Plan, handle: Mapping[str, str | int], world: World) -> None:
        if lease := handle.get("lease"):
            world.vault.access.end_login(str(lease))
        super().revoke(plan, handle, world)


def _how_it_ends(role: DynamicRoleSeen) -> str:
    if role.valid_until:
        return "The vault drops the user, and the database refuses the login by itself even while the vault is dead."
    return "The vault drops the user by itself, also while Afterdeck is dead."


def _worries(role: DynamicRoleSeen) -> tuple[Impact, ...]:
    worries = []
    if not role.valid_until:
        worries.append(
            Impact(
                "No VALID UNTIL",
                "in its creation SQL",
                "While the vault is dead, the login goes on after its end.",
                worry=True,
            )
        )
    if not role.ends_sessions:
        worries.append(
            Impact(
                "Sessions stay",
                "by its revocation SQL",
                "Whoever is logged in at the end stays until they leave.",
                worry=True,
            )
        )
    return tuple(worries)
