"""The end of access to a namespace: the binding and the account go, the cluster says so itself, and what was made with it is listed.

Nobody asks for it: it is done when a grant's time is over, or when it is given back.
"""

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from connectors.errors import Missing
from connectors.kubernetes.access import GivenSeen, Subject, account_subject, name_of

from ..access import EndAccess, EndParams
from ..namespace_access import KINDS, OWN, allowed_anyway, reviews
from ..protocol import (
    Change,
    Drifted,
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


class EndNamespaceAccessParams(EndParams):
    role: str = Field(max_length=253)
    identity: Literal["token", "own"]
    expires: str = Field("", max_length=40)


@register
class EndNamespaceAccess(EndAccess[EndNamespaceAccessParams]):
    id = "end-namespace-access"
    target, kinds = TargetKind.WORKLOAD, KINDS
    params = EndNamespaceAccessParams

    def plan(self, target: Target, params: EndNamespaceAccessParams, world: World) -> Plan:
        access, namespace, name = world.cluster.access, target.ref.namespace, name_of(params.mark)
        binding, account = access.binding(namespace, name), access.account(namespace, name)
        there = [each for each in (binding, account) if each is not None]
        lines = [Change(str(each.ref), (Line("metadata.name", name, ""),)) for each in there]
        return self.end_plan(
            target, params, f"End access to {namespace}",
            preconditions={each.ref.kind: each.ref.uid for each in there} or {"there": False},
            changes=tuple(lines) or (Change(name, (Line("access", "ended already", "ended already"),)),),
            steps=(Step("unbind", "Take the role away", "unbind"), Step("remove", "Delete the account and with it its tokens", "remove")),
            eject=(f"kubectl --namespace {namespace} delete rolebinding,serviceaccount {name}",),
            impact=(_left_behind(namespace, name, params, account or binding, world),),
        )  # fmt: skip

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        """Takes what was planned and nothing else; what is gone by now was ended by somebody else, and that is as good."""
        world.refuse_while_planning()
        access, namespace, name = world.cluster.access, plan.target.ref.namespace, name_of(plan.params["mark"])
        there = access.binding(namespace, name) if step.verb == "unbind" else access.account(namespace, name)
        if there is not None:
            if there.ref.uid != plan.preconditions.get(there.ref.kind):
                raise Drifted(f"{there.ref} is another one than the one that was to be taken. Nothing was changed.")
            world.hold()
            access.take(there.ref, as_=world.person)
        return {step.verb: name}

    def verify(self, plan: Plan, world: World) -> Verdict:
        access, namespace, name = world.cluster.access, plan.target.ref.namespace, name_of(plan.params["mark"])
        for there in (access.binding(namespace, name), access.account(namespace, name)):
            if there is not None and there.ref.uid != plan.preconditions.get(there.ref.kind):
                return Verdict(Outcome.FAILED, f"{there.ref} is there again: somebody has made another one.")
            if there is not None:
                return Verdict(Outcome.WAIT, f"{there.ref} is still there.")
        own = plan.params["identity"] == OWN
        try:
            role = world.cluster.access.role(plan.params["role"])
        except Missing:  # deleted meanwhile, so it allows nobody anything
            return Verdict(Outcome.OK, f"The access is gone, and so is the role {plan.params['role']}.")
        subject = Subject(world.person.user) if own else account_subject(namespace, name)
        still = [what for what, allowed in reviews(role, subject, namespace, world) if allowed]
        anyway = set(still) if own or not still else allowed_anyway(role, namespace, name, world)
        if lasting := [what for what in still if what not in anyway]:
            return Verdict(Outcome.WAIT, f"The cluster still allows {subject.user}: {'; '.join(lasting)}.")
        made = access.made_with(namespace, name, None, role.makes)
        evidence = {"left behind": ", ".join(made.objects) or "nothing"}
        if made.unseen and role.makes:
            evidence["not ours to look at"] = ", ".join(made.unseen)
        if still:
            evidence["still allowed by rights of their own" if own else "still allowed to every account there"] = (
                "; ".join(still)
            )
        return Verdict(
            Outcome.OK, f"The cluster refuses {subject.user} now." if not still else "What was given is gone.", evidence
        )


def _left_behind(
    namespace: str, name: str, params: EndNamespaceAccessParams, given: GivenSeen | None, world: World
) -> Impact:
    """What was made with it and is still there. Deleting it is for whoever knows what it is."""
    try:
        makes = world.cluster.access.role(params.role).makes
    except Missing:
        makes = frozenset()
    made = world.cluster.access.made_with(namespace, name, given.created_at if given else None, makes)
    debugged = (
        f" A debug container was attached meanwhile, by whomever, to: {', '.join(made.debugged)}."
        if made.debugged
        else ""
    )
    unseen = f" Not ours to look at: {', '.join(made.unseen)}." if made.unseen else ""
    said = (
        f"{', '.join(made.objects)}. They stay until somebody deletes them."
        if made.objects
        else "Nothing that we can see."
    )
    return Impact("Left behind", str(len(made.objects)), f"{said}{debugged}{unseen}", worry=bool(made.objects))
