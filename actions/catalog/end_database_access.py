"""The end of access to a database: the vault drops the user and ends its sessions, and says that it knows of no such login.

Nobody asks for it: it is done when a grant's time is over, or when it is given back. Mostly the vault was faster.
"""

from collections.abc import Mapping

from pydantic import Field

from ..access import EndAccess, EndParams
from ..protocol import (
    Change,
    Impact,
    Line,
    Outcome,
    Plan,
    Step,
    Target,
    TargetKind,
    Verdict,
    World,
)
from ..registry import register


class EndDatabaseAccessParams(EndParams):
    lease: str = Field("", max_length=512)
    accessor: str = Field("", max_length=256)
    username: str = Field("", max_length=128)


@register
class EndDatabaseAccess(EndAccess[EndDatabaseAccessParams]):
    id = "end-database-access"
    target, kinds = TargetKind.SECRET, ("dynamic-role",)
    params = EndDatabaseAccessParams

    def plan(self, target: Target, params: EndDatabaseAccessParams, world: World) -> Plan:
        there = bool(params.lease) and world.vault.access.has_lease(params.lease)
        state = "a login that is valid" if there else "ended already" if params.lease else "never fetched"
        who = params.username or "nobody"
        return self.end_plan(
            target, params, f"End access to a database by {target.ref.namespace}/{target.ref.name}",
            preconditions={"handed over": bool(params.lease)},
            changes=(Change(f"The database user {who}", (Line("login", "as handed over", "ended"),)),),
            steps=(
                Step("revoke", "Let the vault drop the user and end its sessions", "revoke"),
                Step("close", "End the token that the login hung below", "close"),
            ),
            eject=("bao lease revoke LEASE",),
            impact=(Impact("Now", state, "The vault ends it by itself as well."),),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        world.refuse_while_planning()
        access, lease, accessor = world.vault.access, plan.params["lease"], plan.params["accessor"]
        if step.verb == "revoke" and lease and access.has_lease(lease):
            world.hold()
            access.end_login(lease)
        if step.verb == "close" and accessor and access.expires_at(accessor) is not None:
            world.hold()
            access.close(accessor)
        return {step.verb: "done"}

    def verify(self, plan: Plan, world: World) -> Verdict:
        access, lease, accessor = world.vault.access, plan.params["lease"], plan.params["accessor"]
        if not lease:
            return Verdict(Outcome.OK, "Nobody had fetched the login.")
        if access.has_lease(lease) or access.expires_at(accessor) is not None:
            return Verdict(Outcome.WAIT, "The vault has not ended the login yet.")
        said = f"The vault has dropped the user {plan.params['username']} and ended its sessions, as its role says."
        return Verdict(Outcome.OK, said, {"user": plan.params["username"]})
