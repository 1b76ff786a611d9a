"""The end of access to a vault: the token goes, by its accessor, and the vault says that it knows of none.

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


class EndVaultAccessParams(EndParams):
    accessor: str = Field("", max_length=256)
    may: str = Field("", max_length=200)
    expires: str = Field("", max_length=40)


@register
class EndVaultAccess(EndAccess[EndVaultAccessParams]):
    id = "end-vault-access"
    target, kinds = TargetKind.SECRET, ("kv2",)
    params = EndVaultAccessParams

    def plan(self, target: Target, params: EndVaultAccessParams, world: World) -> Plan:
        there = bool(params.accessor) and world.vault.access.expires_at(params.accessor) is not None
        state = "a token that is valid" if there else "ended already" if params.accessor else "never fetched"
        return self.end_plan(
            target, params, f"End access to {target.ref.namespace}/{target.ref.name}",
            preconditions={"handed over": bool(params.accessor)},
            changes=(Change(f"The token of the vault {target.vault}", (Line("token", "as handed over", "ended"),)),),
            steps=(Step("revoke", "Let the vault end the token", "revoke"),),
            eject=("bao token revoke -accessor ACCESSOR",),
            impact=(Impact("Now", state, "The vault ends it by itself as well."),),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        world.refuse_while_planning()
        accessor = plan.params["accessor"]
        if not accessor or world.vault.access.expires_at(accessor) is None:
            return {"token": "ended already" if accessor else "never fetched"}
        world.hold()
        world.vault.access.close(accessor)
        return {"token": "ended"}

    def verify(self, plan: Plan, world: World) -> Verdict:
        accessor = plan.params["accessor"]
        if accessor and world.vault.access.expires_at(accessor) is not None:
            return Verdict(Outcome.WAIT, "The vault still knows the token.")
        return Verdict(Outcome.OK, "The vault knows of no such token." if accessor else "Nobody had fetched the token.")
