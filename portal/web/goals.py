"""What a form is about: an action on one target that a person may see, and the other targets it could be about instead."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from django.http import Http404, HttpRequest
from django.urls import reverse
from django.utils import timezone

from actions import offers, queries, registry, targets
from actions.models import Request
from actions.protocol import TargetKind
from actions.registry import AnyAction
from actions.targets import Row
from inventory import incidents
from inventory.models import Environment, Incident, Node, Person, Secret, Service, Workload


@dataclass(frozen=True)
class Place:
    """One target that the action could act on; `label` is its environment, with its name where there are several."""

    label: str
    href: str
    current: bool


@dataclass(frozen=True)
class Goal:
    """What the form is about: this action on this target, perhaps as the inverse of an earlier request."""

    action: AnyAction
    row: Row
    places: tuple[Place, ...]
    undo_of: Request | None

    @property
    def service(self) -> Service:
        return targets.service_of(self.row)

    @property
    def environment(self) -> Environment:
        return targets.environment_of(self.row)

    @property
    def incident(self) -> Incident | None:
        """The one that is open for the service, which this would be part of."""
        return incidents.open_incident(self.service, timezone.now())

    @property
    def headline(self) -> str:
        return registry.headline_of(self.action.id, targets.name_of(self.row))

    @property
    def outside(self) -> str:
        """Where it is: the cluster or the vault that is asked for the plan."""
        return self.row.vault.name if isinstance(self.row, Secret) else self.row.cluster.name

    @property
    def workload(self) -> Workload | None:
        return self.row if isinstance(self.row, Workload) else None

    @property
    def secret(self) -> Secret | None:
        return self.row if isinstance(self.row, Secret) else None

    @property
    def node(self) -> Node | None:
        return self.row if isinstance(self.row, Node) else None

    @property
    def not_ready(self) -> int:
        return max(0, self.workload.wanted - self.workload.ready) if self.workload else 0

    @property
    def room(self) -> int:
        """How many pods more an autoscaler could start."""
        if self.workload is None:
            return 0
        bounds = self.workload.autoscaler or {}
        return max(0, int(bounds.get("max", 0)) - max(self.workload.wanted, self.workload.ready))

    @property
    def query(self) -> str:
        about = {targets.kind_of(self.row).value: self.row.pk}
        return urlencode({**about, **({"undo": self.undo_of.pk} if self.undo_of else {})})

    @property
    def address(self) -> str:
        return f"{reverse('action', args=[self.service.slug, self.action.id])}?{self.query}"

    @property
    def preview_address(self) -> str:
        return f"{reverse('action-plan', args=[self.service.slug, self.action.id])}?{self.query}"

    @property
    def offer_address(self) -> str:
        """Where less is looked for that needs fewer approvals; empty where there can be none."""
        if self.undo_of is not None or not offers.has_sizes(self.action.params):
            return ""
        return f"{reverse('action-offer', args=[self.service.slug, self.action.id])}?{self.query}"


def address_of(action_id: str, row: Row, **more: object) -> str:
    """Where the form of an action on a target is; `again` or `undo` name an earlier request."""
    query = urlencode({targets.kind_of(row).value: row.pk, **more})
    return f"{reverse('action', args=[targets.service_of(row).slug, action_id])}?{query}"


def address_from(request: Request, action_id: str, **more: object) -> str:
    """The same, from an earlier request about the target, without reading the target."""
    about = {"workload": request.workload_id, "secret": request.secret_id, "node": request.node_id}
    query = urlencode({**{kind: pk for kind, pk in about.items() if pk is not None}, **more})
    return f"{reverse('action', args=[request.service.slug, action_id])}?{query}"


def goal_of(request: HttpRequest, person: Person, slug: str, action_id: str) -> Goal:
    """Raises `Http404` for what is not there and for what this person may not see: which of the two is not told."""
    try:
        chosen = registry.action_named(action_id)
    except registry.UnknownAction as unknown:
        raise Http404(str(unknown)) from unknown
    if "\x00" in slug:
        raise Http404("No service has such a name.")
    visible = targets.visible(chosen.target, person).filter(gone_at=None, **{SERVICE_SLUG[chosen.target]: slug})
    rows = [row for row in visible if targets.object_kind(row) in chosen.kinds]
    wanted = request.GET.get(chosen.target.value, "")
    current = next((row for row in rows if str(row.pk) == wanted), None) if wanted else next(iter(rows), None)
    if current is None:
        raise Http404(f"{chosen.title} has nothing to act on there.")
    undo_of = earlier_of(person, request.GET.get("undo", ""))
    if undo_of is not None and undo_of.row != current:
        raise Http404("That request was about something else.")
    if undo_of is None and not chosen.listed:
        raise Http404(f"{chosen.title} is only done as the end of something else.")
    return Goal(chosen, current, _places(chosen, rows, current) if undo_of is None else (), undo_of)


SERVICE_SLUG = {
    TargetKind.WORKLOAD: "service__slug",
    TargetKind.SECRET: "service__slug",
    TargetKind.NODE: "cluster__service__slug",
}
MOST_PLACES = 12
"""More than these are chosen elsewhere: a switch of a thousand nodes is none."""


def _places(chosen: AnyAction, rows: Sequence[Row], current: Row) -> tuple[Place, ...]:
    if len(rows) > MOST_PLACES:
        return ()
    environments = [targets.environment_of(row).slug for row in rows]
    return tuple(
        Place(
            label=environment if environments.count(environment) == 1 else f"{environment}, {_name(row)}",
            href=address_of(chosen.id, row),
            current=row == current,
        )
        for row, environment in zip(rows, environments, strict=True)
    )


def _name(row: Row) -> str:
    return row.path if isinstance(row, Secret) else row.name


def earlier_of(person: Person, text: str) -> Request | None:
    """Raises `Http404` when it is named and cannot be seen."""
    if not text:
        return None
    found = queries.request_for(person, int(text)) if text.isascii() and text.isdecimal() and len(text) < 19 else None
    if found is None:
        raise Http404("There is no such request, or you may not see it.")
    return found
