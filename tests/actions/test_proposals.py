"""Approve with changes: what is less, who may propose and who may confirm, and what takes the place of what."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import proposals, services
from actions.errors import BadParams, NotAllowed, PlanChanged, TooLate, VoteDoesNotCount
from actions.models import Execution, Proposal, Request
from actions.states import ProposalState, RequestState
from approvals.models import Round, Vote
from audit import queries as audit
from connectors.kubernetes import KubernetesCluster
from inventory.models import Person, Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves, asks, fresh
from tests.cluster import Namespace, made_namespace, workload

R, P = RequestState, ProposalState
SIZES = {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        sized = workload("sized", replicas=1)
        sized["spec"]["template"]["spec"]["containers"][0]["resources"] = SIZES
        made.apply(workload("checkout"), sized)
        for name in ("checkout", "sized"):
            made.roll_out("deployment", name)
        yield made


@pytest.fixture
def checkout(shop: Shop) -> Workload:
    """Of 2 replicas, in production."""
    return shop.knows("checkout")


@pytest.fixture
def eight(people: People, checkout: Workload) -> Request:
    """Mira asks for 8 replicas."""
    return asks(people.mira, "resize-workload", checkout, replicas=8)


def proposes(person: Person, request: Request, note: str = "Half of it will do.", **params: object) -> Proposal:
    return proposals.propose(actor=person, request=fresh(request), params=params, note=note)


def confirms(person: Person, proposal: Proposal) -> Request:
    seen = proposals.proposal_of(fresh(proposal.request), proposal.pk)
    return proposals.confirm(actor=person, proposal=seen, digest=proposal.digest, entrance="test")


def state_of(proposal: Proposal) -> str:
    return Proposal.objects.get(pk=proposal.pk).state


def decides(settings: Settings, folder: Path, rules: str) -> None:
    folder.mkdir()
    (folder / "rules.yaml").write_text(rules)
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": folder})


def recorded(verb: str) -> list[str]:
    return [f"{event.actor}: {event.summary}" for event in audit.events(audit.Filter(verb=verb))]


def test_what_is_confirmed_takes_the_place_of_what_was_asked_with_the_first_vote(
    people: People, eight: Request
) -> None:
    proposal = proposes(people.jonas, eight, replicas=5)
    made = confirms(people.mira, proposal)
    assert (made.supersedes, made.digest, made.params["replicas"]) == (eight, proposal.digest, 5)
    assert (made.requester, made.reason) == (people.mira, eight.reason)
    assert (fresh(eight).state, fresh(made).state, state_of(proposal)) == (R.WITHDRAWN, R.APPROVED, P.CONFIRMED)
    [vote] = Vote.objects.all()
    assert (vote.voter, vote.round, vote.digest, vote.note) == (
        people.jonas, made.round, proposal.digest, "Half of it will do.",
    )  # fmt: skip
    assert Execution.objects.get().request == made
    assert recorded("request.superseded") == [f"mira: request {made.pk} takes its place"]
    assert recorded("proposal.made") == [f"jonas: {made.summary}, digest {proposal.digest[:8]}"]
    assert [event.verb for event in reversed(audit.events_of_request(eight.pk))][-4:] == [
        "proposal.made", "proposal.confirmed", "request.superseded", "request.withdrawn",
    ]  # fmt: skip
    with pytest.raises(VoteDoesNotCount, match="decided already"):
        approves(people.ines, eight)
    with pytest.raises(TooLate):
        confirms(people.mira, proposal)
    assert Request.objects.count() == 2


@pytest.mark.parametrize(
    ("asked", "less", "more"),
    [
        ({"replicas": 8}, {"replicas": 3}, [{"replicas": 9}, {"replicas": 1}, {"replicas": 8}, {"replicas": None}]),
        ({"replicas": 1}, {"replicas": 1, "for_minutes": 30}, [{"replicas": 0}, {"replicas": 3}]),
        ({"replicas": 8}, {"for_minutes": 60}, [{"for_minutes": 60, "replicas": 20}]),
        (
            {"replicas": 8, "for_minutes": 60},
            {"for_minutes": 30},
            [{"for_minutes": 90}, {"for_minutes": None}, {"min_replicas": 1}, {"allow_zero": True}, {"reason": "x"}],
        ),
        ({"replicas": 8}, {"replicas": 7}, [{"replicas": "5"}, {"replicas": True}, {"replicas": 4.5}, {"\x00": 1}]),
    ],
)
def test_less_lies_between_what_is_true_and_what_was_asked(
    people: People, checkout: Workload, asked: dict[str, Any], less: dict[str, Any], more: list[dict[str, Any]]
) -> None:
    request = asks(people.mira, "resize-workload", checkout, **asked)
    for params in more:
        with pytest.raises(BadParams):
            proposes(people.jonas, request, **params)
    assert not Proposal.objects.exists()
    assert proposes(people.jonas, request, **less).params == {**request.params, **less}


@pytest.mark.parametrize(
    ("less", "why"),
    [
        ({"memory_limit": "513Mi"}, "Between 128Mi and 512Mi"),
        ({"memory_limit": "64Mi"}, "Between 128Mi and 512Mi"),
        ({"memory_limit": "none"}, "Say how much, such as 512Mi"),
        ({"memory_limit": None}, "Leaving it out would be more"),
        ({"memory_limit": "256"}, "less than 1 Mi"),
        ({"memory_limit": 256}, "valid string"),
        ({"memory_limit": "0.5Gi"}, "That is what was asked"),
        ({"cpu_limit": "3"}, "At most 2,"),
        ({"cpu_request": "50m"}, "Only how much"),
        ({"container": "proxy"}, "Only how much"),
    ],
)
def test_what_is_not_less_of_a_size_is_refused_in_a_sentence(
    people: People, shop: Shop, less: dict[str, Any], why: str
) -> None:
    request = asks(
        people.mira, "resize-containers", shop.knows("sized"), container="app", memory_limit="512Mi", cpu_limit="2"
    )
    with pytest.raises(BadParams, match=why):
        proposes(people.jonas, request, **less)
    assert not Proposal.objects.exists()


def test_a_size_is_agreed_to_as_it_is_written(people: People, shop: Shop) -> None:
    request = asks(people.mira, "resize-containers", shop.knows("sized"), container="app", memory_limit="512Mi")
    proposal = proposes(people.jonas, request, memory_limit="0.25Gi")
    made = confirms(people.mira, proposal)
    assert (made.params["memory_limit"], fresh(made).state) == ("0.25Gi", R.APPROVED)


def test_a_part_of_a_chain_is_agreed_to_with_less(people: People, checkout: Workload, shop: Shop) -> None:
    sized = shop.knows("sized")
    parts = [
        {"action": "resize-workload", "target": checkout.pk, "params": {"replicas": 8}},
        {"action": "resize-containers", "target": sized.pk, "params": {"container": "app", "memory_limit": "512Mi"}},
    ]
    request = asks(people.mira, "chain", checkout, parts=parts)
    for params, where, why in (
        ({"parts.0.params.replicas": 9}, "parts.0.params.replicas", "Between 2 and 8"),
        ({"parts.1.params.memory_limit": "1Gi"}, "parts.1.params.memory_limit", "Between 128Mi and 512Mi"),
        ({"parts.0.params.replicas": "5"}, "parts.0.params.replicas", "integer"),
        ({"parts.0.params.for_minutes": 0}, "parts.0.params.for_minutes", "greater than"),
        ({"parts.1.params.container": "proxy"}, "parts.1.params.container", "Only how much"),
        ({"parts.2.params.replicas": 3}, "parts.2.params.replicas", "Only how much"),
        ({"parts": parts[:1]}, "parts", "Only how much"),
        ({"parts.0.params.replicas": 8}, "params", "That is what was asked"),
    ):
        with pytest.raises(BadParams, match=why) as refused:
            proposes(people.jonas, request, **params)
        assert list(refused.value.fields) == [where]
    made = confirms(people.mira, proposes(people.jonas, request, **{"parts.1.params.memory_limit": "256Mi"}))
    assert [part["params"] for part in made.params["parts"]] == [
        {"replicas": 8, "allow_zero": False}, {"container": "app", "how": "template", "memory_limit": "256Mi"},
    ]  # fmt: skip
    assert (fresh(made).state, fresh(request).state) == (R.APPROVED, R.WITHDRAWN)
    for_a_while = asks(people.mira, "chain", checkout, parts=parts)
    half_an_hour: dict[str, Any] = {"parts.0.params.for_minutes": 30}
    proposal = proposes(people.jonas, for_a_while, **half_an_hour)
    assert proposal.params["parts"][0]["params"]["for_minutes"] == 30


def test_nothing_of_a_restart_can_be_less(people: People, checkout: Workload) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    with pytest.raises(BadParams, match="Only how much or how long can be changed"):
        proposes(people.jonas, request)


def test_only_who_could_decide_proposes_and_only_who_asked_answers(people: People, eight: Request) -> None:
    for person in (people.mira, people.mira_admin, people.leila, people.kofi):
        with pytest.raises(NotAllowed):
            proposes(person, eight, replicas=5)
    proposal = proposes(people.jonas, eight, replicas=5)
    with pytest.raises(TooLate, match="Jonas has proposed something already"):
        proposes(people.ines, eight, replicas=4)
    for person in (people.jonas, people.ines, people.kofi):
        with pytest.raises(NotAllowed, match="Only Mira can answer it"):
            confirms(person, proposal)
        with pytest.raises(NotAllowed, match="Only Mira can answer it"):
            proposals.decline(actor=person, proposal=proposals.proposal_of(fresh(eight), proposal.pk))
    assert len(recorded("access.refused")) == 10
    assert (fresh(eight).state, state_of(proposal)) == (R.AWAITING_APPROVAL, P.OPEN)


def test_whoever_keeps_to_what_was_asked_waits_as_before(people: People, eight: Request) -> None:
    first = proposes(people.jonas, eight, replicas=5)
    second = proposes(people.jonas, eight, replicas=6)
    assert (state_of(first), state_of(second)) == (P.CLOSED, P.OPEN)
    with pytest.raises(TooLate):
        confirms(people.mira, first)
    proposals.decline(actor=people.mira, proposal=proposals.proposal_of(fresh(eight), second.pk))
    with pytest.raises(TooLate):
        confirms(people.mira, second)
    assert recorded("proposal.declined") == ["mira: keeps to what was asked"]
    approves(people.jonas, eight)
    assert (fresh(eight).state, Request.objects.count()) == (R.APPROVED, 1)


@pytest.mark.parametrize("how", ["approved", "rejected", "withdrawn", "expired"])
def test_what_was_decided_is_not_confirmed_in_another_size(people: People, eight: Request, how: str) -> None:
    proposal = proposes(people.jonas, eight, replicas=5)
    if how == "withdrawn":
        services.withdraw(actor=people.mira, request=fresh(eight))
    elif how == "expired":
        Round.objects.update(expires_at=timezone.now())
    else:
        services.vote(
            actor=people.ines, request=fresh(eight), approve=how == "approved", digest=eight.digest, note="I looked."
        )
    with pytest.raises(TooLate):
        confirms(people.mira, proposal)
    assert Request.objects.count() == 1
    if how != "expired":
        assert state_of(proposal) == P.CLOSED
        with pytest.raises(TooLate):
            proposes(people.jonas, eight, replicas=5)


def test_what_was_looked_at_is_what_is_proposed_and_confirmed_or_nothing(
    people: People, eight: Request, namespace: Namespace, cluster: KubernetesCluster
) -> None:
    with pytest.raises(PlanChanged):
        proposals.propose(actor=people.jonas, request=fresh(eight), params={"replicas": 5}, digest="0" * 64)
    proposal = proposes(people.jonas, eight, replicas=5)
    with pytest.raises(PlanChanged, match="another plan than the one that is proposed"):
        proposals.confirm(actor=people.mira, proposal=proposal, digest=eight.digest, entrance="test")
    namespace.kubectl("scale", "deployment/checkout", "--replicas=3")
    try:
        with pytest.raises(PlanChanged, match="has changed since it was proposed"):
            confirms(people.mira, proposal)
    finally:
        namespace.kubectl("scale", "deployment/checkout", "--replicas=2")
    assert (state_of(proposal), fresh(eight).state, Request.objects.count()) == (P.OPEN, R.AWAITING_APPROVAL, 1)


def test_a_proposer_who_may_not_decide_any_more_has_proposed_and_not_agreed(
    people: People, checkout: Workload, eight: Request
) -> None:
    proposal = proposes(people.jonas, eight, replicas=5)
    people.jonas.groups.clear()
    made = confirms(people.mira, proposal)
    assert (fresh(made).state, Vote.objects.count()) == (R.AWAITING_APPROVAL, 0)
    assert recorded("vote.refused")[0].startswith("jonas: You are not an approver of this request")
    approves(people.ines, made)
    assert fresh(made).state == R.APPROVED


def test_a_yes_is_no_answer_to_what_was_not_in_sight(
    people: People, eight: Request, settings: Settings, tmp_path: Path
) -> None:
    """Another rule asks by the time that it is confirmed, be it of the same people: the proposer is asked like everybody else."""
    proposal = proposes(people.jonas, eight, replicas=5)
    rule = '- {id: later, when: "true", needs: {count: 1, of: owning-team-approvers}, because: Since today.}'
    decides(settings, tmp_path / "later", rule)
    made = confirms(people.mira, proposal)
    assert (fresh(made).state, Vote.objects.count()) == (R.AWAITING_APPROVAL, 0)
    approves(people.jonas, made)
    assert fresh(made).state == R.APPROVED


def test_what_the_policy_minds_more_is_not_less(
    people: People, eight: Request, settings: Settings, tmp_path: Path
) -> None:
    decides(
        settings, tmp_path / "now",
        '- {id: asking, when: "true", needs: {count: 1, of: owning-team-approvers}, because: Ask.}\n'
        '- {id: odd, when: "plan.replicas_after == 5", needs: {count: 1, of: administrators}, because: Odd.}\n'
        '- {id: never, when: "plan.replicas_after == 6", deny: true, because: Never six.}\n',
    )  # fmt: skip
    with pytest.raises(BadParams, match="asks more people for that"):
        proposes(people.jonas, eight, replicas=5)
    with pytest.raises(BadParams, match="Never six"):
        proposes(people.jonas, eight, replicas=6)
    proposal = proposes(people.jonas, eight, replicas=4)
    decides(settings, tmp_path / "then", '- {id: frozen, when: "true", deny: true, because: Frozen.}')
    with pytest.raises(TooLate, match="The policy says no to it by now"):
        confirms(people.mira, proposal)
    assert Request.objects.count() == 1


def test_a_time_that_has_passed_meanwhile_is_now(people: People, eight: Request) -> None:
    Request.objects.filter(pk=eight.pk).update(not_before=timezone.now() - timedelta(minutes=1))
    assert confirms(people.mira, proposes(people.jonas, eight, replicas=5)).not_before is None
