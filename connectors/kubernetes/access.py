"""Access to one namespace for a while: an account and a binding of its own for each grant, and what the cluster then allows.

Two grants never share an object, so the end of one cannot end another. Everything carries the mark of the run that made it and the
time at which it ends, so that whoever reads the cluster, and the reaper in it, knows. Made and removed as the person who asked.
"""

from base64 import b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
import yaml

from connectors.errors import Conflict, Forbidden, InvalidName, Missing
from connectors.kubernetes import reading
from connectors.kubernetes.fields import fields
from connectors.kubernetes.resources import collection, single
from connectors.kubernetes.roles import GRANTABLE, RBAC, ClusterRole, RoleSeen, role_seen
from connectors.kubernetes.seen import EXECUTION, Identity, ObjectRef
from connectors.kubernetes.sending import Writer
from connectors.kubernetes.transport import Query, Transport
from connectors.kubernetes.wire import Meta, Namespace, Wire
from connectors.names import count, dns_label, dns_subdomain, timestamp, uid

GRANT = "afterdeck.dev/grant"
ENDS_AT = "afterdeck.dev/ends-at"
FOR = "afterdeck.dev/for"
MADE_BY = "afterdeck.dev/created-by-grant"  # deploy/kubernetes/access-limits.yaml writes it
PREFIX = "afterdeck-grant-"
LEAST_TOKEN_SECONDS = 600  # what the API server takes

# What may have been made with a grant and we can look for. A controller's work hangs below these.
MADE = {
    "pods": "Pod",
    "deployments": "Deployment",
    "statefulsets": "StatefulSet",
    "daemonsets": "DaemonSet",
    "replicasets": "ReplicaSet",
    "jobs": "Job",
    "cronjobs": "CronJob",
}

# As whom we are asked about by name, nobody has to send anything. `dryRun` says to our own transport that it has no effect.
REVIEW: Query = [("dryRun", "All")]


def name_of(mark: str) -> str:
    """What the account and the binding of a grant are called. `mark` is that of the run that made them."""
    return dns_label(f"{PREFIX}{mark}", "the name of a grant")


@dataclass(frozen=True, slots=True)
class GivenSeen:
    """An account or a binding of a grant. `fields` are those of the whole object, by path."""

    ref: ObjectRef
    execution: str | None
    ends_at: datetime | None
    created_at: datetime | None
    person: str
    role: str = ""  # of a binding: the ClusterRole
    fields: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom the cluster is asked about."""

    user: str
    groups: tuple[str, ...] = ()


def account_subject(namespace: str, name: str) -> Subject:
    groups = ("system:serviceaccounts", f"system:serviceaccounts:{namespace}", "system:authenticated")
    return Subject(f"system:serviceaccount:{namespace}:{name}", groups)


@dataclass(frozen=True, slots=True)
class Token:
    value: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Terms:
    """What a grant's objects say about it. `ends_at` is RFC 3339."""

    mark: str
    ends_at: str
    person: str


class Access:
    """One cluster's grants."""

    def __init__(self, transport: Transport, writer: Writer) -> None:
        self._transport, self._writer = transport, writer

    # What can be given, and what is there

    def roles(self) -> list[RoleSeen]:
        """Every role on the administrator's list, also one that is unfit."""
        query = [("labelSelector", f"{GRANTABLE}=true")]
        found = self._transport.pages(collection("ClusterRole"), ClusterRole, what="grantable roles", query=query)
        return sorted(map(role_seen, found), key=lambda role: role.title)

    def role(self, name: str) -> RoleSeen:
        """Raises `Missing`. It need not be on the list: ask `grantable`."""
        path = f"{collection('ClusterRole')}/{dns_subdomain(name, 'the name of a role')}"
        return role_seen(self._transport.get(path, ClusterRole, what=f"role {name}"))

    def account(self, namespace: str, name: str) -> GivenSeen | None:
        return self._given("ServiceAccount", namespace, name)

    def binding(self, namespace: str, name: str) -> GivenSeen | None:
        return self._given("RoleBinding", namespace, name)

    def bindings(self, namespace: str) -> list[GivenSeen]:
        """Of every grant in the namespace, whichever portal made it. Without the fields of the whole object."""
        query = [("labelSelector", GRANT)]
        found = self._transport.pages(collection("RoleBinding", namespace), _Given, what="grants", query=query)
        return [_seen("RoleBinding", each, {}) for each in found]

    def _given(self, kind: str, namespace: str, name: str) -> GivenSeen | None:
        try:
            whole = self._transport.get(
                single(kind, namespace, name), dict[str, Any], what=f"{kind} {namespace}/{name}"
            )
        except Missing:
            return None
        return _given(kind, whole)

    def allows(
        self,
        subject: Subject,
        namespace: str,
        verb: str,
        resource: str,
        *,
        group: str = "",
        subresource: str = "",
        name: str = "",
    ) -> bool:
        """What the cluster's own authoriser says it would answer now."""
        attributes = {
            "namespace": dns_label(namespace),
            "verb": verb,
            "group": group,
            "resource": resource,
            "subresource": subresource,
            "name": name,
        }
        body = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": subject.user, "groups": list(subject.groups), "resourceAttributes": attributes},
        }
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        review = self._transport.create(
            path, body, _Review, headers=[], query=REVIEW, what=f"what {subject.user} may do", who="Afterdeck"
        )
        return review.status.allowed

    def made_with(self, namespace: str, name: str, since: datetime | None, makes: frozenset[str]) -> "Made":
        """What the account `name` made in the namespace and is still there, and which pods got a debug container since then."""
        query = [("labelSelector", f"{MADE_BY}={dns_label(name)}")]
        objects: list[str] = []
        unseen = sorted(makes - MADE.keys())
        for resource, kind in MADE.items():
            if resource in makes:
                try:
                    found = self._transport.pages(collection(kind, namespace), Namespace, what=resource, query=query)
                    objects += [f"{kind} {each.metadata.name}" for each in found]
                except Forbidden:
                    unseen.append(resource)
        debugged: list[str] = []
        if since is not None:
            pods = self._transport.pages(collection("Pod", namespace), _Written, what="pods")
            debugged = [pod.metadata.name for pod in pods if pod.debugged_since(since)]
        return Made(tuple(objects), tuple(debugged), tuple(unseen))

    def endpoint(self) -> tuple[str, str]:
        """Where people reach the cluster, and its authority as base64 of PEM, for a kubeconfig."""
        address, authority = self._transport.endpoint()
        return address, b64encode(authority).decode()

    def kubeconfig(self, cluster: str, namespace: str, token: "Token") -> str:
        """What a person puts into a file: the token, for one namespace."""
        server, authority = self.endpoint()
        trusted = {"certificate-authority-data": authority} if authority else {}
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": cluster, "cluster": {"server": server, **trusted}}],
            "users": [{"name": "grant", "user": {"token": token.value}}],
            "contexts": [{"name": cluster, "context": {"cluster": cluster, "namespace": namespace, "user": "grant"}}],
            "current-context": cluster,
        }
        return yaml.safe_dump(content, sort_keys=False)

    # What is given and taken

    def give_account(
        self, namespace: str, name: str, terms: Terms, *, as_: Identity, dry_run: bool = False
    ) -> GivenSeen:
        """`Conflict` when there is one of that name."""
        body = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": _meta(name, terms)}
        return self._create("ServiceAccount", namespace, name, body, as_=as_, dry_run=dry_run)

    def bind(
        self,
        namespace: str,
        name: str,
        role: str,
        terms: Terms,
        *,
        to_person: bool,
        as_: Identity,
        dry_run: bool = False,
    ) -> GivenSeen:
        """Give the role to the account of that name, or to the person themself. `Conflict` when there is one of that name."""
        person = {"kind": "User", "name": as_.user, "apiGroup": RBAC}
        account = {"kind": "ServiceAccount", "name": name, "namespace": namespace}
        body = {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": _meta(name, terms),
            "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": dns_subdomain(role, "the name of a role")},
            "subjects": [person if to_person else account],
        }
        return self._create("RoleBinding", namespace, name, body, as_=as_, dry_run=dry_run)

    def _create(
        self, kind: str, namespace: str, name: str, body: dict[str, Any], *, as_: Identity, dry_run: bool
    ) -> GivenSeen:
        path, what = collection(kind, namespace), f"{kind} {namespace}/{name}"
        return _given(kind, self._writer.create(path, body, dict[str, Any], as_=as_, what=what, dry_run=dry_run))

    def token(self, account: ObjectRef, seconds: int, *, as_: Identity) -> Token:
        """A token of the account for so many seconds, 600 at least; the server may choose otherwise, so read when it expires.

        It dies with the account.
        """
        if not account.name.startswith(PREFIX):
            raise InvalidName(f"{account} belongs to no grant.")
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": count(max(seconds, LEAST_TOKEN_SECONDS), "a number of seconds")},
        }
        path = f"{single('ServiceAccount', account.namespace, account.name)}/token"
        made = self._writer.create(
            path, body, _TokenRequest, as_=as_, what=f"a token of {account}", dry_run=False, manager=""
        )
        return Token(made.status.token, made.status.expiration_timestamp)

    def take(self, ref: ObjectRef, *, as_: Identity) -> None:
        """Delete this very account or binding. What is gone, or is by now another one of that name, is as good as deleted."""
        if not ref.name.startswith(PREFIX):
            raise InvalidName(f"{ref} belongs to no grant.")
        path, options = single(ref.kind, ref.namespace, ref.name), {"preconditions": {"uid": uid(ref.uid)}}
        try:
            self._writer.delete(path, options, dict[str, Any], as_=as_, what=str(ref))
        except (Missing, Conflict):
            return


@dataclass(frozen=True, slots=True)
class Made:
    """`objects` say by whose grant they were made; who attached a debug container only the cluster's audit log knows. `unseen`: could
    have been made, and is not ours to look at."""

    objects: tuple[str, ...]
    debugged: tuple[str, ...]
    unseen: tuple[str, ...]


class _ReviewStatus(Wire):
    allowed: bool = False


class _Review(Wire):
    status: _ReviewStatus


class _TokenStatus(Wire):
    token: str
    expiration_timestamp: datetime


class _TokenRequest(Wire):
    status: _TokenStatus


class _Write(Wire):
    subresource: str = ""
    time: datetime | None = None


class _WrittenMeta(Wire):
    name: str = ""
    managed_fields: list[_Write] = []


class _Written(Wire):
    metadata: _WrittenMeta

    def debugged_since(self, since: datetime) -> bool:
        writes = (write for write in self.metadata.managed_fields if write.subresource == "ephemeralcontainers")
        return any(write.time is not None and write.time >= since for write in writes)


class _RoleRef(Wire):
    name: str = ""


class _Given(Wire):
    metadata: Meta
    role_ref: _RoleRef = _RoleRef()


def _given(kind: str, whole: dict[str, Any]) -> GivenSeen:
    return _seen(kind, msgspec.convert(whole, _Given), fields(whole))


def _seen(kind: str, seen: _Given, whole: dict[str, str]) -> GivenSeen:
    meta = seen.metadata
    ends_at = meta.annotations.get(ENDS_AT)
    return GivenSeen(
        reading.reference(kind, meta), meta.annotations.get(EXECUTION), _time(ends_at) if ends_at else None,
        meta.creation_timestamp, meta.annotations.get(FOR, ""), seen.role_ref.name, whole,
    )  # fmt: skip


def _time(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:  # somebody else wrote it
        return None


def _meta(name: str, terms: Terms) -> dict[str, Any]:
    return {
        "name": name,
        "labels": {GRANT: dns_label(terms.mark, "the mark of a grant")},
        "annotations": {EXECUTION: terms.mark, ENDS_AT: timestamp(terms.ends_at), FOR: terms.person},
    }
