"""Processes that start together, and administrators who agree in the same moment: one version decides, and it is told once."""

from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from actions import policies
from approvals.models import PolicyVersion
from audit.models import EventRow
from inventory.models import Person
from tests.characters import People
from tests.races.threads import together

RULE = '- {{id: {id}, when: "true", deny: true, because: Because.}}\n'


@pytest.fixture
def start(people: People, settings: Settings, tmp_path: Path) -> "Start":
    return Start(settings, tmp_path)


class Start:
    def __init__(self, settings: Settings, root: Path) -> None:
        self.settings, self.root = settings, root

    def with_files(self, name: str, agreeing: int) -> None:
        directory = self.root / name
        directory.mkdir()
        (directory / "policy.yaml").write_text(RULE.format(id=name))
        changes = {"policy_dir": directory, "policy_approvals": agreeing}
        self.settings.CONFIGURATION = self.settings.CONFIGURATION.model_copy(update=changes)


def test_processes_that_start_together_remember_a_policy_once(start: Start) -> None:
    for number in range(4):
        start.with_files(f"files-{number}", agreeing=0)
        together(*[policies.take_note] * 4)
        assert PolicyVersion.objects.filter(state="adopted").count() == 1
        assert EventRow.objects.filter(verb="policy.adopted").count() == number + 1


def test_administrators_who_agree_and_refuse_in_the_same_moment_meet_one_answer(people: People, start: Start) -> None:
    others = [Person.objects.create(username=f"admin-{number}", is_superuser=True) for number in range(2)]
    start.with_files("first", agreeing=0)
    policies.take_note()
    for number in range(4):
        start.with_files(f"next-{number}", agreeing=1)
        version = policies.take_note()

        def says(person: Person, approve: bool, version: PolicyVersion = version) -> object:
            return policies.decide(
                actor=person, version=version, approve=approve, digest=version.digest, note="Looked."
            )

        together(
            lambda: says(people.kofi, True),
            lambda: says(others[0], False),
            lambda: says(others[1], True),
            policies.take_note,
        )
        told = EventRow.objects.filter(
            verb__in=["policy.adopted", "policy.rejected"], summary__contains=version.digest[:8]
        )
        version.refresh_from_db()
        assert [each.verb for each in told] == [f"policy.{version.state}"]
        assert PolicyVersion.objects.filter(state="adopted").count() == 1
