"""What the start and the end of access to a namespace share: which roles there are, whom they reach, and what the cluster says of it."""

from connectors.errors import Missing
from connectors.kubernetes.access import Subject, account_subject
from connectors.kubernetes.roles import RoleSeen
from inventory.models import Service, Workload

from .protocol import CannotPlan, Outcome, Target, Verdict, World

KINDS = ("Deployment", "StatefulSet", "DaemonSet", "CronJob")
OWN, TOKEN = "own", "token"


def role_named(name: str, world: World) -> RoleSeen:
    try:
        role = world.cluster.access.role(name)
    except Missing:
        raise CannotPlan(f"There is no role {name}. Choose one from the list.") from None
    if not role.grantable:
        raise CannotPlan(f"The role {name} is not on the list of those that can be given. Choose one from the list.")
    if role.unfit:
        raise CannotPlan(
            f"The role {name} must not be given for a while: {' '.join(role.unfit)} An administrator has to mend it."
        )
    return role


def reviews(role: RoleSeen, subject: Subject, namespace: str, world: World) -> list[tuple[str, bool]]:
    """For each rule of the role, the last thing that it allows, and whether the cluster allows that."""
    asked = []
    for rule in role.rules:
        resource, _, subresource = rule.resources[0].partition("/")
        group = rule.api_groups[0] if rule.api_groups else ""
        allowed = world.cluster.access.allows(
            subject, namespace, rule.verbs[-1], resource, group=group, subresource=subresource,
            name=rule.resource_names[0] if rule.resource_names else "",
        )  # fmt: skip
        asked.append((f"{rule.verbs[-1]} {rule.resources[0]}", allowed))
    return asked


def allowed_anyway(role: RoleSeen, namespace: str, name: str, world: World) -> set[str]:
    """What of a role any account of the namespace may do, by rights of everybody's: the cluster is asked about one that never was.

    An authoriser does not care whether an account exists, so a deleted one is allowed this for ever.
    """
    asked = reviews(role, account_subject(namespace, f"{name}-never"), namespace, world)
    return {what for what, allowed in asked if allowed}


def others_there(target: Target) -> dict[str, list[str]]:
    """Whose workloads a role in the whole namespace reaches beside the target's own team's: their names, by team."""
    found = Workload.objects.filter(cluster__name=target.cluster, namespace=target.ref.namespace, gone_at=None)
    own = Service.objects.filter(slug=target.service, team__isnull=False).values("team")
    others = found.exclude(service__team=None).exclude(service__team__in=own)
    there = dict[str, list[str]]()
    for team, name in others.order_by("service__team__slug", "name").values_list("service__team__slug", "name"):
        there.setdefault(team, []).append(name)
    return there


def both_gone(namespace: str, name: str, world: World) -> Verdict:
    left = [
        each
        for each in (world.cluster.access.binding(namespace, name), world.cluster.access.account(namespace, name))
        if each
    ]
    if left:
        return Verdict(Outcome.WAIT, f"{left[0].ref} is still there.")
    return Verdict(Outcome.OK, "The account and the binding are gone.")
