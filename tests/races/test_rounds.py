"""Proposals, claims and escalations in the moment in which somebody decides: one of them holds, and nobody waits for the other for ever."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path

from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import claims, proposals, sweeping
from actions.models import Execution, Proposal, Request
from actions.states import ProposalState, RequestState
from approvals.models import Asked, Round
from inventory.models import Person, Workload
from tests.characters import People, asks, fresh
from tests.races.conftest import Ask
from tests.races.test_deciding import verbs, votes, withdraws
from tests.races.threads import refusals, together

ROUNDS = 3


def proposed(people: People, checkout: Workload) -> Proposal:
    """Mira asks for 8 replicas, and Jonas would agree to 5."""
    request = asks(people.mira, "resize-workload", checkout, replicas=8)
    return proposals.propose(actor=people.jonas, request=fresh(request), params={"replicas": 5})


def confirms(people: People, proposal: Proposal) -> Callable[[], object]:
    seen = proposals.proposal_of(fresh(proposal.request), proposal.pk)
    return lambda: proposals.confirm(actor=people.mira, proposal=seen, digest=seen.digest, entrance="test")


def test_confirming_twice_asks_once(people: People, checkout: Workload) -> None:
    for _ in range(ROUNDS):
        proposal = proposed(people, checkout)
        answers = together(*[confirms(people, proposal)] * 2)
        assert refusals(answers) == ["TooLate"]
        assert Request.objects.filter(supersedes=proposal.request).count() == 1
        assert verbs(proposal.request).count("request.superseded") == 1


def test_a_vote_on_what_was_asked_and_the_confirmation_of_less_are_one_of_them(
    people: People, checkout: Workload
) -> None:
    for _ in range(ROUNDS):
        proposal = proposed(people, checkout)
        answers = together(confirms(people, proposal), votes(people.ines, proposal.request, True))
        assert len(refusals(answers)) == 1
        old, new = fresh(proposal.request).state, Request.objects.filter(supersedes=proposal.request).first()
        assert (old, new is None) in {(RequestState.APPROVED, True), (RequestState.WITHDRAWN, False)}
        assert Execution.objects.filter(request__in=[proposal.request, *([new] if new else [])]).count() == 1
        state = Proposal.objects.get(pk=proposal.pk).state
        assert state == (ProposalState.CLOSED if new is None else ProposalState.CONFIRMED)


def test_no_proposal_is_left_open_for_what_was_taken_back(people: People, checkout: Workload) -> None:
    for _ in range(ROUNDS):
        request = asks(people.mira, "resize-workload", checkout, replicas=8)
        together(
            partial(proposals.propose, actor=people.jonas, request=fresh(request), params={"replicas": 5}),
            withdraws(people.mira, request),
        )
        assert fresh(request).state == RequestState.WITHDRAWN
        assert not Proposal.objects.filter(request=request, state=ProposalState.OPEN).exists()


def test_two_who_want_to_be_on_it_are_one(people: People, ask: Ask) -> None:
    def claim(person: Person, request: Request) -> Callable[[], object]:
        seen = fresh(request)
        return lambda: claims.claim(actor=person, request=seen)

    for _ in range(ROUNDS):
        request = ask()
        answers = together(claim(people.jonas, request), claim(people.ines, request))
        assert refusals(answers) == ["TooLate"]
        assert verbs(request).count("request.claimed") == 1


def test_a_vote_and_asking_others_meet_and_both_hold(
    people: People, ask: Ask, settings: Settings, tmp_path: Path
) -> None:
    """Whoever is asked in that moment may be too early by a blink, and then is told; nobody is asked about what is decided."""
    needs = "{count: 1, of: owning-team-approvers, escalate: {after_minutes: 30, to: administrators}}"
    (tmp_path / "late.yaml").write_text(f'- {{id: late, when: "true", needs: {needs}, because: Late.}}')
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": tmp_path})
    for voter in (people.kofi, people.jonas) * ROUNDS:
        request = ask()
        then = timezone.now() - timedelta(minutes=31)
        Round.objects.filter(request=request).update(opened_at=then, escalates_at=then + timedelta(minutes=30))
        answers = together(votes(voter, request, True), sweeping.sweep)
        decided = fresh(request).state == RequestState.APPROVED
        assert decided is not bool(refusals(answers))
        assert decided or voter == people.kofi
        assert verbs(request).count("request.escalated") <= 1
        assert not decided or not Asked.objects.filter(round__request=request, open=True).exists()
