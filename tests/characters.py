"""The people of the tests, and what they do, through the gate that every entrance uses.

Mira asks, Jonas and Ines approve for her team, Leila is an outsider of another team, Edda audits, Kofi administers. Mira has a second
account, `mira-admin`, that is in the approvers' group: the same person, so it never counts.
"""

import time
from copy import copy
from dataclasses import dataclass
from functools import cache
from typing import Any

from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import Group, Permission
from django.utils import timezone

from actions import claiming, execution, services
from actions.models import Execution, Request
from actions.states import ENDED, ExecutionState
from actions.targets import Row
from connectors.kubernetes import KubernetesCluster
from inventory.models import Cluster, Environment, Person, Service, Team, Workload
from tests.cluster import Namespace, eventually

SETTLED = (*ENDED, ExecutionState.NEEDS_HUMAN)


@dataclass(frozen=True)
class People:
    mira: Person
    mira_admin: Person
    jonas: Person
    ines: Person
    leila: Person
    edda: Person
    kofi: Person


def make_people() -> People:
    payments, storefront = make_team("payments"), make_team("storefront")
    mira = _person("mira", "Mira", payments.group)
    everybody = People(
        mira=mira,
        mira_admin=_person("mira-admin", "Mira (admin)", payments.group, payments.approvers, same_person_as=mira),
        jonas=_person("jonas", "Jonas", payments.group, payments.approvers),
        ines=_person("ines", "Ines", payments.group, payments.approvers),
        leila=_person("leila", "Leila", storefront.group),
        edda=_person("edda", "Edda"),
        kofi=_person("kofi", "Kofi", is_superuser=True),
    )
    everybody.edda.user_permissions.add(
        Permission.objects.get(codename="view_service", content_type__app_label="inventory")
    )
    return everybody


def make_team(slug: str) -> Team:
    return Team.objects.create(
        slug=slug,
        name=slug.capitalize(),
        group=Group.objects.create(name=slug),
        approvers=Group.objects.create(name=f"{slug}-approvers"),
    )


@cache
def _hashed(password: str) -> str:
    """Once a run: hashing seven passwords for each test would be most of what most tests do."""
    return make_password(password)


def _person(username: str, name: str, *groups: Group, **fields: Any) -> Person:
    password = _hashed(f"{username}-password-1")
    person = Person.objects.create(username=username, password=password, display_name=name, **fields)
    person.groups.add(*groups)
    return person


class Shop:
    """Services of team payments on the real cluster, as the inventory knows them."""

    def __init__(self, cluster: KubernetesCluster, namespace: Namespace) -> None:
        self.cluster, self.namespace = cluster, namespace
        self.production = Environment.objects.create(slug="production", criticality=3, position=3)
        self.staging = Environment.objects.create(slug="staging", criticality=1, position=1)
        self._row = Cluster.objects.create(name="sandbox", simulated=True, seen_at=timezone.now())

    def at(self, namespace: Namespace) -> "Shop":
        """The same shop in another namespace."""
        there = copy(self)
        there.namespace = namespace
        return there

    def rename_cluster(self, name: str) -> None:
        Cluster.objects.filter(pk=self._row.pk).update(name=name)

    def knows(self, name: str, *, kind: str = "Deployment", environment: Environment | None = None) -> Workload:
        """The inventory's row of a workload that is in the namespace."""
        seen = self.cluster.read_workload(kind, self.namespace.name, name)
        service, _ = Service.objects.get_or_create(
            slug=name, defaults={"name": name, "team": Team.objects.get(slug="payments"), "tier": 1}
        )
        return Workload.objects.create(
            service=service, environment=environment or self.production, cluster=self._row, namespace=self.namespace.name,
            kind=kind, name=name, uid=seen.ref.uid, wanted=seen.wanted, ready=seen.ready, seen_at=timezone.now(),
        )  # fmt: skip


def asks(person: Person, action: str, target: Row, reason: str = "The pool is stuck.", **params: Any) -> Request:
    return services.submit(actor=person, action=action, target=target.pk, params=params, reason=reason, entrance="test")


def approves(person: Person, request: Request, note: str = "") -> None:
    services.vote(actor=person, request=fresh(request), approve=True, digest=request.digest, note=note)


def fresh(request: Request) -> Request:
    return Request.objects.select_related("round", "execution", "requester", "service__team", "workload").get(
        pk=request.pk
    )


def work_off(request: Request, seconds: float = 60) -> Execution:
    """Do what workers do until the run has ended or needs a person."""
    deadline = time.monotonic() + seconds
    while True:
        run = Execution.objects.get(request=request)
        if run.state in SETTLED:
            return run
        assert time.monotonic() < deadline, f"Still {run.state}: {run.cause or run.observed}"
        if (claimed := claiming.claim()) is not None:
            execution.advance(claimed)
        else:
            time.sleep(0.02)


def ended(request: Request, seconds: float = 60) -> Execution:
    """Wait for workers elsewhere to end the run."""

    def settled() -> Execution | None:
        run = Execution.objects.filter(request=request).first()
        return run if run is not None and run.state in SETTLED else None

    found = eventually(settled, seconds)
    assert found is not None
    return found
