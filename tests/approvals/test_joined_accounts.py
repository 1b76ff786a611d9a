"""Four eyes stay four when an administrator finds out, after the request was made, that two accounts are one person's."""

from collections.abc import Callable

import pytest

from actions.errors import VoteDoesNotCount
from actions.models import Request
from actions.states import ExecutionState, RequestState
from inventory.models import Person, Workload
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, workload


@pytest.fixture
def checkout(shop: Shop, namespace: Namespace) -> Workload:
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    return shop.knows("checkout")


@pytest.fixture(params=["requester to approver", "approver to requester"])
def join(request: pytest.FixtureRequest, people: People) -> Callable[[], int]:
    first, second = (
        (people.mira, people.jonas) if request.param.startswith("requester") else (people.jonas, people.mira)
    )
    return lambda: Person.objects.filter(pk=first.pk).update(same_person_as=second)


def again(person: Person) -> Person:
    return Person.objects.get(pk=person.pk)


def test_who_turns_out_to_be_the_requester_cannot_vote(
    people: People, checkout: Workload, join: Callable[[], int]
) -> None:
    request = asks(people.mira, "restart-workload", checkout)
    join()
    with pytest.raises(VoteDoesNotCount, match=r"You cannot approve this: you asked for it\. Ines can\.") as refusal:
        approves(again(people.jonas), request)
    assert refusal.value.rule == "four-eyes"
    assert fresh(request).state == RequestState.AWAITING_APPROVAL
    approves(again(people.ines), request)
    assert fresh(request).state == RequestState.APPROVED


def test_who_turns_out_to_be_the_requester_has_approved_nothing(
    people: People, checkout: Workload, namespace: Namespace, join: Callable[[], int]
) -> None:
    request: Request = asks(people.mira, "restart-workload", checkout)
    approves(people.jonas, request)
    join()
    run = work_off(request)
    assert (run.state, fresh(request).state) == (ExecutionState.CANCELLED, RequestState.STALE)
    assert run.cause.endswith("so the approval does not hold.")
    assert namespace.effects() == []
