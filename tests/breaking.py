"""A policy that lets glass be broken while an incident is open, and lets administrators override a freeze."""

from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import services
from actions.models import Request
from actions.targets import Row
from actions.terms import Terms
from inventory import incidents
from inventory.models import Incident, Person
from tests.characters import People

GLASS = Terms(break_glass=True)
POLICY = """
- id: somebody-looks
  when: actor.is_owner
  needs: {count: 1, of: owning-team-approvers}
  because: An approver looks first.
- id: glass-in-an-incident
  when: context.open_incident
  break_glass: {count: 1, of: owning-team-approvers, within_hours: 24}
  because: "{context.incident} is open."
- id: frozen
  when: context.ticket == "CHG-1" && target.tier <= 4
  deny: true
  override: {count: 1, of: administrators}
  because: Nothing changes today.
- id: evidence
  when: target.tier > 4
  deny: true
  override: {count: 1, of: administrators}
  because: Nothing is touched that is being looked into.
- id: never
  when: context.ticket == "CHG-2"
  deny: true
  because: Never.
"""


@pytest.fixture
def glass_policy(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "glass.yaml").write_text(POLICY)
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": tmp_path, "soak_seconds": 0})


def opens_incident(people: People, service: str = "checkout") -> Incident:
    told = incidents.Report("INC-7", "Checkout fails", [service], url="https://status.example/7")
    return incidents.report(actor=people.kofi, told=told, now=timezone.now())[0]


def asks_on(person: Person, target: Row, terms: Terms, action: str = "restart-workload") -> Request:
    """Look at the plan on these terms, then ask on them."""
    seen = services.preview(actor=person, action=action, target=target.pk, params={}, terms=terms)
    return services.submit(
        actor=person, action=action, target=target.pk, params={}, reason="It is down.", entrance="test",
        digest=seen.plan.digest, terms=terms,
    )  # fmt: skip
