"""The roles that an administrator lets people be given for a while, and what makes one unfit for that.

Access that ends is worth something only if it cannot be used to make access that does not end. So whatever is on the administrator's
list, a role that reaches secrets, tokens, roles, other identities or everything is refused, by the rules that it has now: those of an
aggregated role were filled in by the cluster. Pure: no calls.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from connectors.kubernetes.wire import Meta, Wire

GRANTABLE = "afterdeck.dev/grantable"
TITLE = "afterdeck.dev/title"
DESCRIPTION = "afterdeck.dev/description"

RBAC = "rbac.authorization.k8s.io"
RUN = frozenset(
    {"pods", "deployments", "statefulsets", "daemonsets", "replicasets", "replicationcontrollers", "jobs", "cronjobs"}
)
LOOKING = frozenset({"get", "list", "watch"})


class Rule(Wire):
    """One rule of a role, as the cluster writes it. What is not about objects is not given by a RoleBinding."""

    verbs: list[str] = []
    api_groups: list[str] = []
    resources: list[str] = []
    resource_names: list[str] = []

    def __str__(self) -> str:
        only = f" named {', '.join(self.resource_names)}" if self.resource_names else ""
        return f"{', '.join(self.verbs)} {', '.join(self.resources)}{only}"


class ClusterRole(Wire):
    metadata: Meta
    rules: list[Rule] | None = None  # null while an aggregated role has nothing to add up


@dataclass(frozen=True, slots=True)
class RoleSeen:
    """A ClusterRole that carries the label. `version` changes with its rules."""

    name: str
    title: str
    description: str
    rules: tuple[Rule, ...]
    version: str
    grantable: bool

    @property
    def unfit(self) -> tuple[str, ...]:
        """Why it must not be given to anybody for a while; empty for a role that may."""
        return tuple(dict.fromkeys(why for rule in self.rules for why in _refusals(rule)))

    @property
    def worries(self) -> tuple[str, ...]:
        """What it allows that whoever agrees has to know."""
        reached = {(verb, resource) for rule in self.rules for resource in rule.resources for verb in rule.verbs}
        return tuple(sentence for touches, sentence in WORRIES if any(touches(*each) for each in reached))

    @property
    def makes(self) -> frozenset[str]:
        """The resources of which one can be made with it."""
        return frozenset(r for rule in self.rules if "create" in rule.verbs for r in rule.resources if "/" not in r)


def role_seen(role: ClusterRole) -> RoleSeen:
    meta, rules = role.metadata, tuple(rule for rule in role.rules or () if rule.resources)
    return RoleSeen(
        name=meta.name,
        title=meta.annotations.get(TITLE, meta.name),
        description=meta.annotations.get(DESCRIPTION, ""),
        rules=rules,
        version=hashlib.sha256(msgspec.json.encode(rules, order="sorted")).hexdigest()[:16],
        grantable=meta.labels.get(GRANTABLE) == "true",
    )


def _refusals(rule: Rule) -> Iterator[str]:
    resources, writes = set(rule.resources), set(rule.verbs) - LOOKING
    if any("*" in text for text in (*rule.verbs, *rule.api_groups, *rule.resources)):
        yield "It has a wildcard, which also holds for whatever the cluster learns tomorrow."
    if any(resource.split("/")[0] == "secrets" for resource in resources):
        yield "It reaches secrets."
    if "serviceaccounts/token" in resources:
        yield "It can make tokens."
    if any(verb.startswith("impersonate") for verb in rule.verbs):
        yield "It can act as somebody else."
    if (RBAC in rule.api_groups and writes) or {"bind", "escalate"} & writes:
        yield "It can change who may do what."
    if "nodes/proxy" in resources:
        yield "It reaches every pod of a node."


WORRIES: tuple[tuple[Callable[[str, str], bool], str], ...] = (
    (
        lambda verb, resource: resource in ("pods/exec", "pods/attach", "pods/ephemeralcontainers") and verb != "list",
        "Whoever runs a command in a pod can read what the pod can: its secrets, and its own token.",
    ),
    (
        lambda verb, resource: resource.split("/")[0] in RUN and "/" not in resource and verb in ("create", "update", "patch"),
        "Whoever makes or changes what runs can let it mount any secret of the namespace, and it stays until somebody deletes it.",
    ),
)  # fmt: skip
