"""What every page shows around its own content: how much waits for a decision, what is simulated, what does not answer.

A few queries at most, whatever there is, and none for a fragment that does not look: each value is read when a template asks.
"""

from functools import cached_property

from django.http import HttpRequest

from actions import policies
from actions.queue import COUNTED, Queue
from approvals.reading import BadPolicy
from inventory.models import Cluster, Person
from inventory.queries import SystemState
from portal.notices import queries as notices

THEME_COOKIE = "afterdeck_theme"
THEMES = ("light", "dark")


class Shell:
    def __init__(self, person: Person) -> None:
        self._person = person

    @cached_property
    def queue(self) -> Queue:
        return Queue(self._person)

    @property
    def to_decide(self) -> int:
        return self.queue.count

    @property
    def many_to_decide(self) -> bool:
        """Whether it is at least so many, and nobody counted further."""
        return self.to_decide >= COUNTED

    @cached_property
    def rules(self) -> frozenset[str]:
        """By name, those of the policy that decides; none when it cannot be read."""
        try:
            return frozenset(rule.id for rule in policies.current_policy().rules)
        except BadPolicy:
            return frozenset()

    @cached_property
    def unread(self) -> int:
        return notices.count_unread(self._person)

    @cached_property
    def clusters(self) -> list[SystemState]:
        return [
            SystemState("kubernetes", row.name, row.simulated, row.unreachable_since, row.problem)
            for row in Cluster.objects.all()
        ]

    @cached_property
    def simulated(self) -> bool:
        return any(cluster.simulated for cluster in self.clusters)

    @cached_property
    def unreachable(self) -> list[SystemState]:
        return [cluster for cluster in self.clusters if cluster.unreachable_since]

    @cached_property
    def sees_nodes(self) -> bool:
        """Whether the machines are their business. The team of a cluster finds them on the page of its service."""
        return self._person.has_perm("inventory.view_service")

    @cached_property
    def teams(self) -> list[str]:
        groups = self._person.groups.filter(team__isnull=False)
        return list(groups.order_by("team__slug").values_list("team__slug", flat=True))


def shell_of(request: HttpRequest, person: Person) -> Shell:
    """One for each question that a browser asks, so that a page and the frame around it look nothing up twice."""
    shell: Shell = request.__dict__.setdefault("shell", Shell(person))
    return shell


def theme_of(request: HttpRequest) -> str:
    """Light, dark, or an empty text for what the machine prefers."""
    chosen = request.COOKIES.get(THEME_COOKIE, "")
    return chosen if chosen in THEMES else ""


def shell(request: HttpRequest) -> dict[str, object]:
    """Context processor. `user` is absent when Django renders an error before it knows who asks."""
    person = getattr(request, "user", None)
    return {"theme": theme_of(request), "shell": shell_of(request, person) if isinstance(person, Person) else None}
