"""Who sees what, and who may ask: in SQL, so that a list of ten thousand costs what a list of ten costs.

Seeing comes from owning (the team's group), from an object permission given to the person or one of their groups, or from the
global permission that auditors and administrators have.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.db.models import BigIntegerField, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Cast, Lower
from guardian.models import GroupObjectPermission, UserObjectPermission

from .models import Node, Person, Secret, Service, Team, Workload

VIEW, ASK = "view_service", "ask_service"


def services_visible_to(person: Person) -> QuerySet[Service]:
    services = Service.objects.select_related("team")
    if person.has_perm(f"inventory.{VIEW}"):
        return services
    return services.filter(
        _owned_by(person)
        | Q(Exists(_granted_to_person(person, VIEW, ASK)))
        | Q(Exists(_granted_to_groups(person, VIEW, ASK)))
    )


def workloads_visible_to(person: Person) -> QuerySet[Workload]:
    rows = Workload.objects.select_related("service__team__group", "environment", "cluster")
    if person.has_perm(f"inventory.{VIEW}"):
        return rows
    return rows.filter(service__in=services_visible_to(person))


def secrets_visible_to(person: Person) -> QuerySet[Secret]:
    """That they exist, never what they are. One that belongs to no service is shown to nobody here."""
    rows = Secret.objects.select_related("vault", "service__team__group", "environment").exclude(service=None)
    if person.has_perm(f"inventory.{VIEW}"):
        return rows
    return rows.filter(service__in=services_visible_to(person))


def nodes_visible_to(person: Person) -> QuerySet[Node]:
    rows = Node.objects.select_related("cluster__service__team__group", "environment").exclude(cluster__service=None)
    if person.has_perm(f"inventory.{VIEW}"):
        return rows
    return rows.filter(cluster__service__in=services_visible_to(person))


def my_services(person: Person) -> QuerySet[Service]:
    """What the person's teams own, or was explicitly shared with them; an auditor owns nothing and sees everything elsewhere."""
    return Service.objects.select_related("team").filter(
        _owned_by(person) | Q(Exists(_granted_to_person(person, ASK))) | Q(Exists(_granted_to_groups(person, ASK)))
    )


def trouble_first(services: QuerySet[Service]) -> QuerySet[Service]:
    """Services with a live workload in trouble before the others, then by tier and name."""
    return services.order_by(Exists(_troubled()).desc(), "tier", "slug")


def in_trouble(services: QuerySet[Service]) -> QuerySet[Service]:
    return services.filter(Exists(_troubled()))


def _troubled() -> QuerySet[Workload]:
    return Workload.objects.filter(service=OuterRef("pk"), gone_at=None).exclude(trouble="")


def named_like(services: QuerySet[Service], text: str) -> QuerySet[Service]:
    """Services whose slug or name contains every word of `text`, in any order."""
    for word in text.split()[:8]:
        services = services.filter(Q(slug__icontains=word) | Q(name__icontains=word))
    return services


def by_name(services: QuerySet[Service], *, after: str = "") -> QuerySet[Service]:
    """As people look names up. `after` is the slug of the last one of the page before; one that is gone is the beginning."""
    rows = services.annotate(folded=Lower("name")).order_by("folded", "slug")
    last = Service.objects.filter(slug=after).annotate(folded=Lower("name")).values_list("folded", "slug").first()
    if last is None:
        return rows
    return rows.filter(Q(folded__gt=last[0]) | Q(folded=last[0], slug__gt=last[1]))


def live_workloads(services: Collection[Service]) -> list[Workload]:
    """What runs of these services as far as we know, most critical environment last, in one query."""
    rows = Workload.objects.filter(service__in=services, gone_at=None).select_related("environment", "cluster")
    return list(rows.order_by("service_id", "environment__position", "environment__slug", "name", "pk"))


def secrets_of(service: Service) -> list[Secret]:
    """Pointers the service owns or reads; there are no values anywhere."""
    mine = Q(service=service) | Q(consumers__service=service, consumers__gone_at=None)
    return list(
        Secret.objects.filter(mine, gone_at=None)
        .select_related("vault", "service__team__group", "environment")
        .distinct()
    )


def is_owner(person: Person, service: Service) -> bool:
    return service.team is not None and person.groups.filter(pk=service.team.group_id).exists()


def owned_among(person: Person, services: Collection[int]) -> set[int]:
    """Of these services, by primary key, those that the person's teams own: in one query, for a page of rows."""
    return set(Service.objects.filter(_owned_by(person), pk__in=services).values_list("pk", flat=True))


def may_ask(person: Person, service: Service) -> bool:
    """Also an administrator, for the nodes of a cluster: everybody's pods are on them."""
    if my_services(person).filter(pk=service.pk).exists():
        return True
    return person.is_superuser and service.clusters.exists()


def approvers_of(team: Team | None) -> list[Person]:
    """The people who can approve for a team, one account per human, in name order."""
    if team is None:
        return []
    people = Person.objects.filter(is_active=True, groups=team.approvers_id).select_related("same_person_as")
    by_identity = {person.identity: person for person in people.order_by("-id")}
    return sorted(by_identity.values(), key=lambda person: person.name.casefold())


def accounts_of(person: Person) -> set[int]:
    """Every account of the same human, by primary key."""
    one = person.identity
    linked = Q(pk=one) | Q(same_person_as=one) | Q(same_person_as__same_person_as=one)
    rows = Person.objects.filter(linked).select_related("same_person_as__same_person_as")
    return {person.pk, *(each.pk for each in rows if each.identity == one)}


def identities_of(accounts: Collection[int]) -> dict[int, int]:
    """As which human each of these accounts is known by now, by primary key."""
    rows = Person.objects.filter(pk__in=accounts).select_related("same_person_as__same_person_as")
    return {row.pk: row.identity for row in rows}


def colleagues_of(person: Person) -> list[Person]:
    """Who shares a group with the person, or administers as they do; not themselves under another account. In name order."""
    alike = Q(groups__in=person.groups.all())
    if person.is_superuser:
        alike |= Q(is_superuser=True)
    rows = Person.objects.filter(alike, is_active=True).select_related("same_person_as").distinct()
    return sorted((each for each in rows if each.identity != person.identity), key=lambda each: each.name.casefold())


def teams_visible_to(person: Person) -> QuerySet[Team]:
    """Those that the person is in, and those that own a service the person sees."""
    if person.has_perm(f"inventory.{VIEW}"):
        return Team.objects.all()
    mine = Q(group__in=person.groups.all()) | Q(approvers__in=person.groups.all())
    return Team.objects.filter(mine | Q(pk__in=services_visible_to(person).order_by().values("team")))


def is_approver(person: Person, team: Team | None) -> bool:
    """Whether this account is one: what a person may do with their other account, they do from there."""
    return team is not None and person.is_active and person.groups.filter(pk=team.approvers_id).exists()


@dataclass(frozen=True)
class SystemState:
    """A cluster or vault as a page says it."""

    kind: str
    name: str
    simulated: bool
    unreachable_since: datetime | None
    problem: str


def _owned_by(person: Person) -> Q:
    return Q(team__group__in=person.groups.all())


def _granted_to_person(person: Person, *codenames: str) -> QuerySet[Any, Any]:
    rows: QuerySet[Any, Any] = (
        UserObjectPermission.objects.filter(
            user=person, permission__codename__in=codenames, content_type=ContentType.objects.get_for_model(Service)
        )
        .annotate(object_id=Cast("object_pk", BigIntegerField()))
        .filter(object_id=OuterRef("pk"))
    )
    return rows


def _granted_to_groups(person: Person, *codenames: str) -> QuerySet[Any, Any]:
    rows: QuerySet[Any, Any] = (
        GroupObjectPermission.objects.filter(
            group__in=person.groups.all(), permission__codename__in=codenames,
            content_type=ContentType.objects.get_for_model(Service),
        )
        .annotate(object_id=Cast("object_pk", BigIntegerField()))
        .filter(object_id=OuterRef("pk"))
    )  # fmt: skip
    return rows
