"""Nobody approves what is not theirs to approve: every role, at every address that changes something, with every field that an attacker
would try, as a form and as JSON. Whatever is answered, nothing may have been agreed to, and nothing may run.

The rows need no cluster: everything here must end before a plan would be made again.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from actions.models import Debt, Execution, Proposal, Request
from actions.states import RequestState
from approvals.models import Absence, PolicyVersion, Round, Vote
from approvals.rulings import requirement_from
from approvals.services import open_round
from audit import queries as audit
from inventory.models import Person, Workload
from tests.characters import People
from tests.portal.api.rows import make_request, make_workload
from tests.security.routes import Route, routes

HEADERS = {
    "X-Forwarded-User": "jonas", "Remote-User": "jonas", "X-Remote-User": "jonas", "Impersonate-User": "jonas",
    "X-HTTP-Method-Override": "PUT",
}  # fmt: skip


@pytest.fixture
def ledger(people: People) -> Workload:
    return make_workload("ledger", "payments")


class Scene:
    """One request that waits for Jonas or Ines, one that waits for a review after broken glass, a proposal, a policy, an absence."""

    def __init__(self, people: People, workload: Workload) -> None:
        self.people = people
        self.asked = make_request(workload, people, 1)
        self.other = make_request(workload, people, 2)
        Request.objects.filter(pk=self.other.pk).update(digest="e" * 64)
        Round.objects.filter(request=self.other).update(digest="e" * 64)
        self.other.refresh_from_db()
        self.broken = make_request(workload, people, 3)
        now = timezone.now()
        asked = self.broken.round
        assert asked is not None
        needs = [requirement_from(each) for each in asked.requirements]
        review = open_round(
            kind=Round.Kind.REVIEW, digest=self.broken.digest, requester_identity=people.mira.identity, requirements=needs, now=now,
            expires_at=now + timedelta(days=9),
        )  # fmt: skip
        Request.objects.filter(pk=self.broken.pk).update(state=RequestState.APPROVED, round=None, breaks_glass=True)
        self.debt = Debt.objects.create(
            request=self.broken, round=review, identity=people.mira.identity, due_at=now + timedelta(hours=9)
        )
        self.proposal = Proposal.objects.create(
            request=self.other,
            proposer=people.jonas,
            params={"replicas": 3},
            plan_text=self.other.plan_text,
            digest="f" * 64,
            at=now,
        )
        policy_round = open_round(
            kind=Round.Kind.POLICY, digest="a" * 64, requester_identity=0, requirements=[replace(needs[0], of="administrators")], now=now,
            expires_at=now + timedelta(days=9),
        )  # fmt: skip
        self.policy = PolicyVersion.objects.create(
            digest="a" * 64,
            files={"default.yaml": "[]"},
            state=PolicyVersion.State.PROPOSED,
            seen_at=now,
            round=policy_round,
        )
        self.absence = Absence.objects.create(
            person=people.jonas,
            stand_in=people.leila,
            starts_at=now + timedelta(days=1),
            ends_at=now + timedelta(days=2),
        )

    def values(self) -> dict[str, Any]:
        """What goes into addresses, by the names that addresses have."""
        return {
            "request_id": self.asked.pk, "pk": self.asked.pk, "grant_id": 1, "slug": "ledger", "action_id": "restart-workload",
            "action": "restart-workload", "digest": self.policy.digest, "workload": self.asked.workload_id or 1, "node": 1,
            "proposal_id": self.proposal.pk, "debt_id": self.debt.pk, "absence_id": self.absence.pk, "name": "default.yaml",
            "version_id": self.policy.pk, "token_id": 1, "shift_id": 1, "team": "payments", "reference": "INC-1", "notice_id": 1,
            "rest": "x", "shape": "a" * 64, "log_id": 1, "proposal": self.proposal.pk, "number": self.proposal.pk,
        }  # fmt: skip

    def agreed(self) -> list[str]:
        """Whatever somebody has got that they must not have."""
        states = dict(Request.objects.filter(pk__in=[self.asked.pk, self.other.pk]).values_list("pk", "state"))
        got = [f"request {pk} is {state}" for pk, state in states.items() if state == RequestState.APPROVED]
        got += [f"{vote.voter} {vote.decision}s" for vote in Vote.objects.select_related("voter")]
        got += [f"request {run.request_id} runs" for run in Execution.objects.all()]
        if Debt.objects.filter(settled_at__isnull=False).exists():
            got.append("the debt is settled")
        if PolicyVersion.objects.filter(pk=self.policy.pk, state=PolicyVersion.State.ADOPTED).exists():
            got.append("the policy is adopted")
        return got


@pytest.fixture
def scene(people: People, ledger: Workload) -> Scene:
    return Scene(people, ledger)


def _former(people: People) -> Person:
    people.jonas.groups.remove(*Group.objects.filter(approves_for__slug="payments"))
    return people.jonas


def _gone(people: People) -> Person:
    Person.objects.filter(pk=people.ines.pk).update(is_active=False)
    return people.ines


def _other_teams(people: People) -> Person:
    people.leila.groups.add(Group.objects.get(approves_for__slug="storefront"))
    return people.leila


def _same_person(people: People) -> Person:
    """Jonas turns out to be Mira, after he was asked."""
    Person.objects.filter(pk=people.jonas.pk).update(same_person_as=people.mira)
    return Person.objects.get(pk=people.jonas.pk)


ROLES: dict[str, Callable[[People], Person | None]] = {
    "requester": lambda people: people.mira,
    "requester's other account": lambda people: people.mira_admin,
    "joined with the requester": _same_person,
    "outsider": lambda people: people.leila,
    "approver of another team": _other_teams,
    "auditor": lambda people: people.edda,
    "administrator": lambda people: people.kofi,
    "approver no more": _former,
    "account closed": _gone,
    "nobody": lambda people: None,
}


def forged(scene: Scene) -> dict[str, Any]:
    """Everything that might be taken for somebody else's word, at once."""
    jonas = scene.people.jonas
    return {
        "decision": "approve", "approve": True, "digest": scene.asked.digest, "note": "fine", "next": "queue", "voter": jonas.pk,
        "voter_id": jonas.pk, "identity": jonas.identity, "actor": jonas.username, "user": jonas.username, "person": jonas.pk,
        "instead_of": jonas.identity, "on_behalf_of": jonas.username, "requester": jonas.pk, "state": "approved", "outcome": "approved",
        "round": scene.asked.round_id, "request": scene.asked.pk, "requests": [scene.asked.pk], "entrance": "system", "accepted": True,
        "is_approver": True, "is_superuser": True, "approved": "1", "chosen": f"{scene.asked.pk}:{scene.asked.digest}",
        "items": [{"request": scene.asked.pk, "digest": scene.asked.digest}], "reason": "because", "params": {}, "target": 1,
    }  # fmt: skip


def client_of(person: Person | None) -> Client:
    client = Client(raise_request_exception=False)
    if person is not None:
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client


def knock(client: Client, route: Route, address: str, body: dict[str, Any]) -> Iterator[int]:
    """As a form and as JSON, with every method that changes something."""
    for method in route.methods:
        yield client.generic(
            method, address, json.dumps(body), content_type="application/json", headers=HEADERS
        ).status_code
    if not route.is_api:
        flat = {name: value for name, value in body.items() if not isinstance(value, list | dict)}
        yield client.post(f"{address}?decision=approve&digest={body['digest']}", flat, headers=HEADERS).status_code


@pytest.mark.parametrize("role", ROLES)
def test_no_role_gets_an_agreement_out_of_any_address(role: str, scene: Scene, people: People) -> None:
    person, body, values = ROLES[role](people), forged(scene), scene.values()
    for route in routes():
        client = client_of(person)  # some of them end the session
        answers = list(knock(client, route, route.address(values), body))
        assert [status for status in answers if status >= 500] == [], f"{role} at {route.path}: {answers}"
        assert scene.agreed() == [], f"{role} at {route.path}: {answers}"


def sends(client: Client, address: str, body: dict[str, Any]) -> Any:
    """As a browser would, or as a script."""
    return (
        client.post(address, body, content_type="application/json") if "api" in address else client.post(address, body)
    )


VOTES = ("/requests/{}/vote", "/api/requests/{}/votes")


@pytest.mark.parametrize("role", [role for role in ROLES if role not in ("nobody", "account closed", "outsider")])
@pytest.mark.parametrize("address", VOTES)
def test_a_vote_that_does_not_count_is_on_record(address: str, role: str, scene: Scene, people: People) -> None:
    """An error for whoever tried, and an event for whoever looks later; what one may not see, one is not told of."""
    person = ROLES[role](people)
    answer = sends(
        client_of(person), address.format(scene.asked.pk), {"decision": "approve", "digest": scene.asked.digest}
    )
    assert person is not None
    if answer.status_code == 404:
        assert role == "approver of another team"
        return
    assert answer.status_code == 403, (role, answer.status_code)
    [refused] = audit.events(audit.Filter(verb="vote.refused"))
    assert (refused.actor, refused.request_id) == (person.username, scene.asked.pk)
    assert scene.agreed() == []


DIGESTS = ("", "d", "e" * 64, "D" * 64, "*", "null", "' OR 1=1 --", "\u0000", "0" * 64, "a" * 10_000)


@pytest.mark.parametrize("address", VOTES)
def test_an_approver_approves_only_what_was_shown(address: str, scene: Scene, people: People) -> None:
    jonas = client_of(people.jonas)
    for digest in (
        *DIGESTS,
        scene.asked.digest.upper(),
        scene.asked.digest[:-1],
        f" {scene.asked.digest}",
        scene.other.digest,
    ):
        body = {"decision": "approve", "digest": digest}
        answer = sends(jonas, address.format(scene.asked.pk), body)
        assert answer.status_code in (400, 409, 422), (digest, answer.status_code)
        assert scene.agreed() == []


@pytest.mark.parametrize("address", VOTES)
def test_a_decision_is_approve_or_reject_and_nothing_else(address: str, scene: Scene, people: People) -> None:
    jonas = client_of(people.jonas)
    for decision in ("", "APPROVE", "approved", "yes", "1", "true", "approve ", "approve\n"):
        body = {"decision": decision, "digest": scene.asked.digest}
        answer = sends(jonas, address.format(scene.asked.pk), body)
        assert answer.status_code in (400, 422), (decision, answer.status_code)
        assert scene.agreed() == []


def test_what_is_forged_beside_a_true_vote_changes_nothing(scene: Scene, people: People) -> None:
    """The approver's own vote counts, as theirs, for that request."""
    body = forged(scene) | {
        "decision": "approve",
        "digest": scene.asked.digest,
        "voter": people.ines.pk,
        "identity": people.ines.identity,
    }
    answer = client_of(people.jonas).post(
        f"/requests/{scene.asked.pk}/vote", {k: v for k, v in body.items() if not isinstance(v, list | dict)}
    )
    assert answer.status_code == 302
    [vote] = Vote.objects.all()
    assert (vote.voter, vote.identity, vote.instead_of, vote.entrance) == (
        people.jonas,
        people.jonas.identity,
        None,
        "browser",
    )
    assert Request.objects.get(pk=scene.other.pk).state == RequestState.AWAITING_APPROVAL


def test_a_link_that_is_replayed_decides_nothing_again(scene: Scene, people: People) -> None:
    jonas, address = client_of(people.jonas), f"/requests/{scene.asked.pk}/vote"
    body = {"decision": "approve", "digest": scene.asked.digest}
    assert jonas.post(address, body).status_code == 302
    assert jonas.post(address, body).status_code == 403
    assert client_of(people.ines).post(address, body).status_code == 403
    assert Vote.objects.count() == Execution.objects.count() == 1
    assert {refused.summary.rpartition(": ")[2] for refused in audit.events(audit.Filter(verb="vote.refused"))} == {
        "round-closed"
    }
    assert jonas.get(f"{address}?decision=approve&digest={scene.other.digest}").status_code == 302
