"""Get access to a namespace: a role from the administrator's list, for a while, and the proof that it is there and then gone.

Each grant has an account and a binding of its own. The person gets a token of that account in a kubeconfig, minted when they ask for it
and kept nowhere, or the role is bound to their own identity. Native expiry comes first: the token says itself when it ends. Nothing in
Kubernetes ends a binding, so its end is ours, with the reaper in the cluster behind us.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from connectors.kubernetes.access import GivenSeen, Subject, Terms, account_subject, name_of
from connectors.kubernetes.roles import RoleSeen

from ..access import (
    BY_ITSELF,
    DEADLINE,
    USUAL,
    Minutes,
    beside_the_work_on_it,
    ends,
    lapses,
    length,
    said,
)
from ..namespace_access import KINDS, OWN, TOKEN, both_gone, others_there, reviews, role_named
from ..protocol import (
    Action,
    CannotPlan,
    Change,
    Drifted,
    Ending,
    HandOver,
    Impact,
    Line,
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
from ..workloads import read_target

WAYS = (
    Option(TOKEN, "A kubeconfig with a token of its own", "The token ends by itself, also when Afterdeck is dead."),
    Option(
        OWN,
        "My own identity on the cluster",
        "Nothing new to log in with. Only Afterdeck, or the reaper in the cluster, ends it.",
    ),
)
NAME = "afterdeck-grant-(the run's mark)"
MOST_NAMED = 5
SHOWN = ("roleRef.name", "subjects[", "metadata.annotations", "metadata.name")
DRY = "00000000-0000-0000-0000-000000000000"


class NamespaceAccessParams(Params):
    role: str = Field(max_length=253, title="What you want to do", json_schema_extra={"widget": "choice"})
    identity: Literal["token", "own"] = Field("token", title="As whom", json_schema_extra={"widget": "choice"})
    minutes: Minutes = USUAL


@register
class GetNamespaceAccess(Action[NamespaceAccessParams]):
    id, title, icon, risk = "get-namespace-access", "Get access", "key", Risk.MEDIUM
    preposition, everyday = "to", True
    target, kinds, gives_access = TargetKind.WORKLOAD, KINDS, True
    params = NamespaceAccessParams

    def defaults(self, target: Target, world: World) -> Mapping[str, Any]:
        fit = [role for role in world.cluster.access.roles() if not role.unfit]
        if not fit:
            raise CannotPlan(
                "No role of this cluster is on the list of those that can be given. Ask an administrator to put one there."
            )
        least = min(fit, key=lambda role: (len(role.worries), len(role.rules)))
        return {"role": least.name, "minutes": USUAL, "identity": TOKEN if world.bao is not None else OWN}

    def options(self, target: Target, world: World) -> Mapping[str, Sequence[Option]]:
        roles = [role for role in world.cluster.access.roles() if not role.unfit]
        return {"role": [Option(role.name, role.title, role.description) for role in roles], "identity": WAYS}

    def plan(self, target: Target, params: NamespaceAccessParams, world: World) -> Plan:
        if target.ref.kind != "CronJob":
            read_target(world.cluster, target)
        role, own, namespace = role_named(params.role, world), params.identity == OWN, target.ref.namespace
        if not own and world.bao is None:
            raise CannotPlan(
                "A kubeconfig is handed over through a vault, and none is connected. Ask for your own identity instead."
            )
        others = others_there(target)
        target = beside_the_work_on_it(target)
        return Plan(
            action=self.id,
            target=target,
            params=params.model_dump(mode="json"),
            summary=f"{role.title} in {namespace} for {length(params.minutes)}",
            preconditions={"role": role.version},
            changes=_changes(namespace, role, own, params.minutes, world),
            steps=(
                *(() if own else (Step("account", f"Make an account in {namespace}", "account"),)),
                Step("bind", f"Give {'you' if own else 'it'} the role {role.name}", "bind"),
            ),
            revert=(
                Step("unbind", "Take the role away again", "unbind", undoes="bind"),
                *(() if own else (Step("remove", "Delete the account again", "remove", undoes="account"),)),
            ),
            no_revert="",
            undo=None,
            no_undo=BY_ITSELF,
            irreversible=("What you see and do meanwhile. The cluster's own audit log has it by your name or the grant's.",),
            eject=_eject(namespace, role, own, world),
            soak_seconds=0,
            deadline_seconds=int(DEADLINE.total_seconds()),
            lasts_seconds=params.minutes * 60,
            numbers={
                "minutes": params.minutes, "own_identity": int(own), "objects": 1 if own else 2, "percent": 0,
                "other_teams": len(others),
            },
            impact=(
                Impact("Role", role.title, "; ".join(map(str, role.rules)) + "."),
                *(Impact("Reaches", "further than it looks", worry, worry=True) for worry in role.worries),
                *_reaches_others(namespace, others),
                lapses(_how_it_ends(own), params.minutes),
                _present(namespace, world),
            ),
        )  # fmt: skip

    def waits_for(self, plan: Plan) -> Literal["", "start", "value"]:
        return "start"

    def apply(self, step: Step, plan: Plan, world: World) -> Mapping[str, str | int]:
        run, access, namespace = world.current_run, world.cluster.access, plan.target.ref.namespace
        name = name_of(run.id)
        if step.verb in ("unbind", "remove"):
            there = access.binding(namespace, name) if step.verb == "unbind" else access.account(namespace, name)
            if there is not None:
                world.hold()
                access.take(there.ref, as_=world.person)
            return {"gone": name}
        there = access.account(namespace, name) if step.verb == "account" else access.binding(namespace, name)
        if there is None:
            role = _role_now(plan, world)
            terms = Terms(run.id, _ends(plan, world), world.person.user)
            world.hold()
            if step.verb == "account":
                there = access.give_account(namespace, name, terms, as_=world.person)
            else:
                own = plan.params["identity"] == OWN
                there = access.bind(namespace, name, role.name, terms, to_person=own, as_=world.person)
        return {there.ref.kind: name, "ends": said(there.ends_at) if there.ends_at else "", "uid": there.ref.uid}

    def verify(self, plan: Plan, world: World) -> Verdict:
        """Ask the cluster's own authoriser: what the role allows is allowed there, and reading secrets is not."""
        access, namespace, name = world.cluster.access, plan.target.ref.namespace, name_of(world.current_run.id)
        binding = access.binding(namespace, name)
        if binding is None or binding.role != plan.params["role"]:
            return Verdict(
                Outcome.FAILED, f"The binding {name} is not there as it was made. Somebody has removed or changed it."
            )
        own = plan.params["identity"] == OWN
        if not own and access.account(namespace, name) is None:
            return Verdict(Outcome.FAILED, f"The account {name} is gone. Somebody has removed it.")
        subject = Subject(world.person.user) if own else account_subject(namespace, name)
        try:
            asked = reviews(role_named(binding.role, world), subject, namespace, world)
        except CannotPlan as unfit:
            return Verdict(Outcome.FAILED, str(unfit))
        if refused := [what for what, allowed in asked if not allowed]:
            return Verdict(Outcome.WAIT, f"The cluster does not allow it yet: {', '.join(refused)}.")
        if not own and access.allows(subject, namespace, "get", "secrets"):
            return Verdict(Outcome.FAILED, "The account can read secrets, by a right that did not come from here.")
        secrets = "" if own else ", and reading secrets by the API is refused"
        evidence = {"allowed": "; ".join(what for what, _ in asked), "to": subject.user}
        return Verdict(Outcome.OK, f"The cluster allows it in {namespace}{secrets}.", evidence)

    def verify_revert(self, plan: Plan, world: World) -> Verdict:
        return both_gone(plan.target.ref.namespace, name_of(world.current_run.id), world)

    def ending(self, plan: Plan, others: Sequence[Plan]) -> Ending:
        return Ending("end-namespace-access", {"role": plan.params["role"], "identity": plan.params["identity"]})

    def hand_over(self, plan: Plan, handle: Mapping[str, str | int], ends_at: datetime, world: World) -> HandOver:
        """A token of the grant's account, in a kubeconfig. Each dies with the account, so an earlier one gives no more than this."""
        if plan.params["identity"] == OWN:
            raise CannotPlan("The role is bound to your own identity: use the kubeconfig you have.")
        access, namespace, name = world.cluster.access, plan.target.ref.namespace, name_of(world.current_run.id)
        account = access.account(namespace, name)
        if account is None:
            raise CannotPlan(f"The account {name} is gone. Ask for access again.")
        token = access.token(account.ref, int((ends_at - datetime.now(UTC)).total_seconds()), as_=world.person)
        text = access.kubeconfig(world.cluster.name, namespace, token)
        return HandOver("kubeconfig", {"kubeconfig": text}, {"expires": token.expires_at.isoformat(timespec="seconds")})


def _role_now(plan: Plan, world: World) -> RoleSeen:
    """Raises `Drifted` when it is no longer the one that was agreed to."""
    try:
        role = role_named(plan.params["role"], world)
    except CannotPlan as refusal:
        raise Drifted(f"{refusal} Nothing was given.") from refusal
    if role.version != plan.preconditions["role"]:
        raise Drifted(f"The role {role.name} has other rules than the ones that were agreed to. Nothing was given.")
    return role


def _changes(namespace: str, role: RoleSeen, own: bool, minutes: int, world: World) -> tuple[Change, ...]:
    """What the server's dry run says would be there, under the name it will get."""
    access, name, terms = world.cluster.access, name_of(DRY), Terms(DRY, ends(world.now, minutes), world.person.user)
    binding = access.bind(namespace, name, role.name, terms, to_person=own, as_=world.person, dry_run=True)
    account = None if own else access.give_account(namespace, name, terms, as_=world.person, dry_run=True)
    return tuple(
        Change(f"{each.ref.kind} {namespace}/{NAME}", _lines(each, name, minutes)) for each in (account, binding) if each is not None
    )  # fmt: skip


def _lines(given: GivenSeen, name: str, minutes: int) -> tuple[Line, ...]:
    when = f"{length(minutes)} after it begins"
    told = {_named(path, name): _named(text, name) for path, text in given.fields.items()}
    return tuple(
        Line(path, "", when if path.endswith("ends-at") else text)
        for path, text in sorted(told.items())
        if path.startswith(SHOWN) and not path.endswith(("apiGroup", ".namespace"))
    )


def _named(text: str, name: str) -> str:
    return text.replace(name, NAME).replace(DRY, "(the run's mark)")


def _eject(namespace: str, role: RoleSeen, own: bool, world: World) -> tuple[str, ...]:
    whom = f"--user={world.person.user}" if own else f"--serviceaccount={namespace}:NAME"
    bind = f"kubectl --namespace {namespace} create rolebinding NAME --clusterrole={role.name} {whom}"
    account = f"kubectl --namespace {namespace} create serviceaccount NAME"
    return (bind,) if own else (account, bind, f"kubectl --namespace {namespace} create token NAME")


def _reaches_others(namespace: str, others: Mapping[str, Sequence[str]]) -> tuple[Impact, ...]:
    """Kubernetes binds a role in a namespace, not to the pods of a team."""
    if not others:
        return ()
    whose = "; ".join(f"{team}: {', '.join(names[:MOST_NAMED])}" for team, names in others.items())
    count = sum(map(len, others.values()))
    said = f"A role holds for the whole of {namespace}, and in it {'is' if count == 1 else 'are'} also {count} of others ({whose})."
    return (Impact("Other teams", ", ".join(others), said, worry=True),)


def _how_it_ends(own: bool) -> str:
    if own:
        return "Nothing in Kubernetes ends this by itself: Afterdeck does, and the reaper in the cluster where one is installed."
    return "The token says itself when it ends, 10 min at least, and dies at once with its account, which Afterdeck deletes."


def _present(namespace: str, world: World) -> Impact:
    there = world.cluster.access.bindings(namespace)
    who = ", ".join(f"{each.person} ({each.role})" for each in there[:5])
    return Impact(
        "Have access there now", str(len(there)), f"By a grant: {who}." if there else "Nobody has any by a grant."
    )


def _ends(plan: Plan, world: World) -> str:
    """When this grant ends, as its first object says: a second try must not write another time."""
    return str(world.current_run.evidence.get("ends") or ends(world.now, plan.params["minutes"]))
