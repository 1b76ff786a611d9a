"""One human breaks one glass, in however many tabs and under however many accounts they try at once."""

from collections.abc import Callable

import pytest

from actions import debts, services
from actions.errors import Denied
from actions.models import Debt, Execution, Request
from inventory.models import Person, Workload
from tests.breaking import GLASS, glass_policy, opens_incident
from tests.characters import People, fresh
from tests.races.test_deciding import ROUNDS
from tests.races.threads import refusals, together

__all__ = ["glass_policy"]
pytestmark = pytest.mark.usefixtures("glass_policy")


def breaks(person: Person, target: Workload, digest: str, key: str | None = None) -> Callable[[], object]:
    return lambda: services.submit(
        actor=person, action="restart-workload", target=target.pk, params={}, reason="Down.", entrance="test", digest=digest,
        submission_key=key, terms=GLASS,
    )  # fmt: skip


def test_two_tabs_and_two_accounts_break_one_glass(people: People, checkout: Workload) -> None:
    opens_incident(people)
    seen = services.preview(actor=people.mira, action="restart-workload", target=checkout.pk, params={}, terms=GLASS)
    for _ in range(ROUNDS):
        Debt.objects.all().delete()
        before = Execution.objects.count()
        answers = together(
            breaks(people.mira, checkout, seen.plan.digest),
            breaks(people.mira, checkout, seen.plan.digest),
            breaks(people.mira_admin, checkout, seen.plan.digest),
        )
        assert refusals(answers) == [Denied.__name__] * 2
        assert Debt.objects.count() == Execution.objects.count() - before == 1


def test_one_form_sent_twice_breaks_one_glass_and_says_so_twice(people: People, checkout: Workload) -> None:
    opens_incident(people)
    seen = services.preview(actor=people.mira, action="restart-workload", target=checkout.pk, params={}, terms=GLASS)
    first, second = together(*[breaks(people.mira, checkout, seen.plan.digest, "the form")] * 2)
    assert first == second == Request.objects.get()
    assert fresh(Request.objects.get()).breaks_glass


def test_two_reviewers_settle_it_once(people: People, checkout: Workload) -> None:
    opens_incident(people)
    seen = services.preview(actor=people.mira, action="restart-workload", target=checkout.pk, params={}, terms=GLASS)
    breaks(people.mira, checkout, seen.plan.digest)()
    request = Request.objects.get()

    def reviews(person: Person, accept: bool) -> Callable[[], object]:
        return lambda: debts.review(
            actor=person, request=request, accept=accept, digest=request.digest, note="I looked."
        )

    answers = together(reviews(people.jonas, True), reviews(people.ines, False))
    assert refusals(answers) == ["VoteDoesNotCount"]
    debt = Debt.objects.get()
    assert debt.settled_at is not None
    assert debt.accepted is (debt.round.votes.get().voter == people.jonas)
