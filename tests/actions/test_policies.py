"""A policy is remembered by its digest, its changes are in the record, and where it is asked for, administrators agree to them first."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from actions import policies
from actions.errors import NotAllowed, TooLate, VoteDoesNotCount
from approvals import versions
from approvals.loader import load_texts
from approvals.models import PolicyVersion, Round
from approvals.tally import Outcome
from audit.models import EventRow
from inventory.models import Person
from tests.characters import People

RULE = '- {{id: {id}, when: "true", {effect}, because: Because.}}\n'
ALLOWS, DENIES = RULE.format(id="allows", effect="allow: true"), RULE.format(id="denies", effect="deny: true")
STATE = PolicyVersion.State


class Files:
    """A policy directory; what is written counts from the next start on."""

    def __init__(self, settings: Any, root: Path) -> None:
        self.settings, self.root, self.starts = settings, root, 0

    def start(self, text: str, agreeing: int = 0) -> PolicyVersion:
        self.starts += 1
        directory = self.root / str(self.starts)
        directory.mkdir()
        (directory / "policy.yaml").write_text(text)
        changes = {"policy_dir": directory, "policy_approvals": agreeing}
        self.settings.CONFIGURATION = self.settings.CONFIGURATION.model_copy(update=changes)
        return policies.take_note()


@pytest.fixture
def files(people: People, settings: Any, tmp_path: Path) -> Files:
    PolicyVersion.objects.all().delete()
    return Files(settings, tmp_path)


@pytest.fixture
def ada(people: People) -> Person:
    """A second administrator."""
    return Person.objects.create(username="ada", display_name="Ada", is_superuser=True)


def deciding() -> list[str]:
    return [rule.id for rule in policies.current_policy().rules]


def told() -> list[tuple[str, str, str]]:
    rows = EventRow.objects.filter(
        verb__in=["policy.adopted", "policy.proposed", "policy.rejected", "vote.cast", "vote.refused"]
    )
    return [(each.verb, each.actor, each.summary.partition(": ")[2] or each.summary) for each in rows.order_by("pk")]


def test_what_the_files_hold_decides_and_is_remembered_once(files: Files) -> None:
    first = files.start(ALLOWS)
    assert files.start("# The same, said otherwise.\n" + ALLOWS) == first
    assert [row.state for row in PolicyVersion.objects.all()] == [STATE.ADOPTED]
    second = files.start(ALLOWS + DENIES)
    first.refresh_from_db()
    assert (first.state, second.state, deciding()) == (STATE.RETIRED, STATE.ADOPTED, ["allows", "denies"])
    assert told() == [("policy.adopted", "Afterdeck", "added allows"), ("policy.adopted", "Afterdeck", "added denies")]
    assert files.start(ALLOWS) == first
    assert told()[-1] == ("policy.adopted", "Afterdeck", "removed denies")


def test_a_change_that_needs_agreement_decides_only_then(files: Files, people: People, ada: Person) -> None:
    files.start(DENIES, agreeing=2)
    assert deciding() == ["denies"]  # the first one there is
    proposed = files.start(ALLOWS, agreeing=2)
    assert (proposed.state, deciding()) == (STATE.PROPOSED, ["denies"])
    assert proposed.round is not None
    assert proposed.round.kind == Round.Kind.POLICY

    agree: dict[str, Any] = {"version": proposed, "approve": True, "digest": proposed.digest}
    assert policies.decide(actor=people.kofi, **agree) is Outcome.WAITING
    assert deciding() == ["denies"]
    with pytest.raises(VoteDoesNotCount):
        policies.decide(actor=people.kofi, **agree)
    assert policies.decide(actor=ada, **agree) is Outcome.APPROVED
    assert deciding() == ["allows"]
    assert [(verb, actor) for verb, actor, _ in told()] == [
        ("policy.adopted", "Afterdeck"), ("policy.proposed", "Afterdeck"), ("vote.cast", "kofi"), ("vote.refused", "kofi"),
        ("vote.cast", "ada"), ("policy.adopted", "ada"),
    ]  # fmt: skip
    with pytest.raises(TooLate):
        policies.decide(
            actor=ada,
            version=PolicyVersion.objects.get(pk=proposed.pk),
            approve=False,
            digest=proposed.digest,
            note="No.",
        )


def test_only_administrators_decide_about_the_policy_and_a_second_account_is_no_second_one(
    files: Files, people: People, ada: Person
) -> None:
    files.start(DENIES, agreeing=2)
    proposed = files.start(ALLOWS, agreeing=2)
    for outsider in (people.mira, people.jonas, people.edda):
        with pytest.raises(NotAllowed):
            policies.decide(actor=outsider, version=proposed, approve=True, digest=proposed.digest)
    assert EventRow.objects.filter(verb="access.refused").count() == 3
    other = Person.objects.create(username="kofi-2", display_name="Kofi", is_superuser=True, same_person_as=people.kofi)
    policies.decide(actor=people.kofi, version=proposed, approve=True, digest=proposed.digest)
    with pytest.raises(VoteDoesNotCount):
        policies.decide(actor=other, version=proposed, approve=True, digest=proposed.digest)
    assert deciding() == ["denies"]


def test_an_administrator_who_is_none_any_more_does_not_count(files: Files, people: People, ada: Person) -> None:
    files.start(DENIES, agreeing=2)
    proposed = files.start(ALLOWS, agreeing=2)
    policies.decide(actor=people.kofi, version=proposed, approve=True, digest=proposed.digest)
    Person.objects.filter(pk=people.kofi.pk).update(is_superuser=False)
    assert policies.decide(actor=ada, version=proposed, approve=True, digest=proposed.digest) is Outcome.WAITING
    assert deciding() == ["denies"]


def test_a_policy_that_was_refused_is_asked_about_again_only_when_somebody_says_so(
    files: Files, people: People, ada: Person
) -> None:
    files.start(DENIES, agreeing=1)
    proposed = files.start(ALLOWS, agreeing=1)
    policies.decide(
        actor=people.kofi, version=proposed, approve=False, digest=proposed.digest, note="Everybody could do all."
    )
    assert told()[-1] == ("policy.rejected", "kofi", "Everybody could do all.")
    assert files.start(ALLOWS, agreeing=1).state == STATE.REJECTED
    with pytest.raises(NotAllowed):
        policies.ask_again(actor=people.mira)
    policies.ask_again(actor=people.kofi)
    again = PolicyVersion.objects.get(pk=proposed.pk)
    assert again.state == STATE.PROPOSED
    assert policies.decide(actor=ada, version=again, approve=True, digest=again.digest) is Outcome.APPROVED


def test_files_that_changed_once_more_take_their_proposal_back(files: Files, people: People, ada: Person) -> None:
    files.start(DENIES, agreeing=1)
    first = files.start(ALLOWS, agreeing=1)
    files.start(ALLOWS + DENIES, agreeing=1)
    first = PolicyVersion.objects.get(pk=first.pk)
    assert first.round is not None
    assert (first.state, first.round.state) == (STATE.RETIRED, Round.State.CLOSED)
    assert files.start(DENIES, agreeing=1).state == STATE.ADOPTED
    assert files.start(ALLOWS, agreeing=1).state == STATE.PROPOSED  # what was adopted once is asked about again


def test_what_was_taken_back_in_the_files_is_not_agreed_to(files: Files, people: People) -> None:
    files.start(DENIES, agreeing=1)
    wrong = files.start(ALLOWS, agreeing=1)
    files.start(DENIES, agreeing=1)
    wrong = PolicyVersion.objects.select_related("round").get(pk=wrong.pk)
    assert wrong.round is not None
    assert (wrong.state, wrong.round.state) == (STATE.RETIRED, Round.State.CLOSED)
    assert EventRow.objects.filter(verb="policy.withdrawn").count() == 1
    with pytest.raises(TooLate):
        policies.decide(actor=people.kofi, version=wrong, approve=True, digest=wrong.digest)
    assert deciding() == ["denies"]


def test_how_many_agree_is_asked_anew_when_it_is_set_higher(files: Files, people: People) -> None:
    files.start(DENIES, agreeing=1)
    files.start(ALLOWS, agreeing=1)
    again = files.start(ALLOWS, agreeing=2)
    assert [need.count for need in policies.asked_about(again)] == [2]


def test_a_policy_whose_administrators_have_left_is_asked_of_those_of_now(
    files: Files, people: People, client: Client
) -> None:
    files.start(DENIES, agreeing=1)
    version = files.start(ALLOWS, agreeing=1)
    ada, yan = (Person.objects.create(username=name, is_superuser=True) for name in ("ada", "yan"))
    Person.objects.filter(pk=people.kofi.pk).update(is_superuser=False)
    agree: dict[str, Any] = {"approve": True, "digest": version.digest}
    with pytest.raises(VoteDoesNotCount):
        policies.decide(actor=yan, version=version, **agree)
    client.force_login(ada, backend="django.contrib.auth.backends.ModelBackend")
    assert "Ask the administrators again" in client.get("/policy").content.decode()
    client.post("/policy/ask-again")
    assert "Ask the administrators again" not in client.get("/policy").content.decode()
    policies.decide(actor=yan, version=PolicyVersion.objects.get(pk=version.pk), **agree)
    assert deciding() == ["allows"]


def test_a_start_asks_anew_where_that_helps_and_else_once(files: Files, people: People) -> None:
    files.start(DENIES, agreeing=2)
    files.start(ALLOWS, agreeing=2)
    for _ in range(2):
        policies.take_note()  # there are too few, and nobody else
    assert [verb for verb, _, _ in told()].count("policy.proposed") == 1
    ada = Person.objects.create(username="ada", is_superuser=True)
    version = policies.take_note()
    for person in (people.kofi, ada):
        policies.decide(actor=person, version=version, approve=True, digest=version.digest)
    assert deciding() == ["allows"]
    files.start(DENIES, agreeing=1)
    Round.objects.filter(state=Round.State.OPEN).update(expires_at=timezone.now())
    version = policies.take_note()
    policies.decide(actor=ada, version=version, approve=True, digest=version.digest)
    assert deciding() == ["denies"]


def test_whoever_asks_again_does_not_answer(files: Files, people: People, ada: Person) -> None:
    files.start(DENIES, agreeing=1)
    version = files.start(ALLOWS, agreeing=1)
    with pytest.raises(TooLate, match="asked about it already"):
        policies.ask_again(actor=ada)
    policies.decide(actor=people.kofi, version=version, approve=False, digest=version.digest, note="No.")
    policies.ask_again(actor=ada)
    version = PolicyVersion.objects.select_related("round").get(pk=version.pk)
    with pytest.raises(VoteDoesNotCount, match="you asked for it"):
        policies.decide(actor=ada, version=version, approve=True, digest=version.digest)
    policies.decide(actor=people.kofi, version=version, approve=True, digest=version.digest)
    assert deciding() == ["allows"]


def test_the_first_policy_decides_only_once_it_is_on_record(files: Files, people: People) -> None:
    """No process could take note of it when it started: the first question does."""
    files.start(DENIES, agreeing=1)
    PolicyVersion.objects.all().delete()
    assert [rule.id for rule in policies.current_policy().rules] == ["denies"]
    assert PolicyVersion.objects.get().state == STATE.ADOPTED


def test_a_going_back_to_what_decided_once_needs_agreement_too(files: Files, people: People) -> None:
    files.start(ALLOWS)
    files.start(DENIES)
    assert files.start(ALLOWS, agreeing=1).state == STATE.PROPOSED
    assert deciding() == ["denies"]


def test_the_change_is_told_by_rule() -> None:
    before = load_texts({"p.yaml": ALLOWS + DENIES})
    after = load_texts({"p.yaml": ALLOWS.replace("true", "false", 1) + RULE.format(id="new", effect="deny: true")})
    assert versions.changes_between(before, after).sentence == "added new; removed denies; changed allows"
    assert versions.changes_between(before, before).sentence == "only in how it is written"
