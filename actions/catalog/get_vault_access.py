"""Get access to a secret in the vault: a token that allows what one policy of the administrator says, and that the vault ends by itself.

Which policies people may have for a secret stands in the secret's own metadata (`access`). The token is made when the person asks for it
and kept nowhere; its accessor, which can end it and not use it, is. `explicit_max_ttl` ends it while the portal is dead.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import Field

from connectors.errors import Missing
from connectors.vault.access import PolicySeen

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
    Option,
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


class VaultAccessParams(Params):
    policy: str = Field(max_length=128, title="What you want to do", json_schema_extra={"widget": "choice"})
    minutes: Minutes = USUAL


@register
class GetVaultAccess(VaultAccess[VaultAccessParams]):
    id, title, icon, risk = "get-vault-access", "Get access", "key", Risk.MEDIUM
    preposition = "to"
    target, kinds = TargetKind.SECRET, ("kv2",)
    agreed_on, fetched, ended_by = "policy", "token", "end-vault-access"
    params = VaultAccessParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        fit = [policy for policy in _choices(target, world) if not policy.unfit]
        if not fit:
            raise CannotPlan(
                f"No policy is offered for {target.ref.namespace}/{target.ref.name}. An administrator names some in its metadata."
            )
        return {"policy": fit[0].name, "minutes": USUAL}

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        fit = [policy for policy in _choices(target, world) if not policy.unfit]
        return {
            "policy": [
                Option(each.name, each.name.removeprefix("access-").replace("-", " "), _short(each)) for each in fit
            ]
        }

    def plan(self, target: Target, params: VaultAccessParams, world: World) -> Plan:
        policy, mount, path = _policy(target, params.policy, world), target.ref.namespace, target.ref.name
        refuse_longer(params.minutes, world.vault.access.longest_seconds(), "The vault's token role for access")
        return Plan(
            action=self.id,
            target=beside_the_work_on_it(target),
            params=params.model_dump(mode="json"),
            summary=f"Access to {mount}/{path} by {policy.name} for {length(params.minutes)}",
            preconditions={"policy": policy.version},
            changes=(
                Change(
                    f"A token of the vault {target.vault}",
                    (
                        Line("policy", "", policy.name),
                        *(Line(f"policy line {number}", "", line) for number, line in enumerate(policy.lines, 1)),
                        Line("explicit_max_ttl", "", f"what is left of {length(params.minutes)}"),
                    ),
                ),
            ),
            steps=(Step("open", "See that the policy is still the one agreed to; the token is made when you fetch it", "open"),),
            revert=(Step("close", "Let it lapse: nothing was given yet", "close", undoes="open"),),
            no_revert="",
            undo=None,
            no_undo=BY_ITSELF,
            irreversible=("What you read meanwhile. The vault's own audit log has it by your name.",),
            eject=(f"bao token create -role=afterdeck-access -policy={policy.name} -explicit-max-ttl={params.minutes}m",),
            soak_seconds=0,
            deadline_seconds=int(DEADLINE.total_seconds()),
            lasts_seconds=params.minutes * 60,
            numbers={"minutes": params.minutes, "percent": 0},
            impact=(
                Impact("Policy", policy.name, f"It reaches {', '.join(policy.paths)}."),
                lapses("The vault ends the token by itself, also while Afterdeck is dead, and nothing prolongs it.", params.minutes),
            ),
        )  # fmt: skip

    def look_again(self, plan: Plan, world: World) -> PolicySeen:
        """Raises `Drifted` when it is no longer the one that was agreed to."""
        try:
            policy = _policy(plan.target, plan.params["policy"], world)
        except CannotPlan as refusal:
            raise Drifted(f"{refusal} Nothing was given.") from refusal
        if policy.version != plan.preconditions["policy"]:
            raise Drifted(f"The policy {policy.name} allows something else than what was agreed to. Nothing was given.")
        return policy

    def hand_over(self, plan: Plan, handle: Mapping[str, str | int], ends_at: datetime, world: World) -> HandOver:
        """A token for what is left of the time, and the vault's word that it can do what was agreed."""
        access, policy = world.vault.access, plan.params["policy"]
        with refused_when_drifted():
            self.look_again(plan, world)
        self.revoke(plan, handle, world)
        opened = access.open(policy, seconds_until(ends_at), person=world.person.user, mark=str(handle["mark"]))
        may = access.may(opened.accessor, f"{plan.target.ref.namespace}/data/{plan.target.ref.name}")
        if may <= {"deny"}:
            access.close(opened.accessor)
            raise CannotPlan(
                f"The policy {policy} does not reach this secret. Ask an administrator to mend it. Nothing was given."
            )
        value = {"address": world.vault.address, "token": opened.token}
        kept = {
            "accessor": opened.accessor,
            "may": ", ".join(sorted(may)),
            "expires": opened.expires_at.isoformat(timespec="seconds"),
        }
        return HandOver("vault-token", value, kept)


def _choices(target: Target, world: World) -> list[PolicySeen]:
    found = []
    for name in world.vault.access.choices(target.ref.namespace, target.ref.name):
        try:
            found.append(world.vault.access.policy(name))
        except Missing:  # named in the metadata, and nobody has written it
            continue
    return found


def _policy(target: Target, name: str, world: World) -> PolicySeen:
    policy = next((each for each in _choices(target, world) if each.name == name), None)
    if policy is None:
        raise CannotPlan(f"The policy {name} is not offered for this secret. Choose one from the list.")
    if policy.unfit:
        raise CannotPlan(
            f"The policy {name} must not be given for a while: {policy.unfit} An administrator has to mend it."
        )
    return policy


def _short(policy: PolicySeen) -> str:
    return f"It reaches {', '.join(policy.paths)}."
