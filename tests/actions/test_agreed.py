"""Promises 1 and 2: what runs is what was agreed, and what cannot be written down first does not happen."""

from collections.abc import Iterator

import pytest
from django.db import DatabaseError
from pytest_django.fixtures import Settings

from actions import claiming, confirmation, execution, services
from actions.compare import compare
from actions.models import Execution, JournalEntry, Request
from actions.states import ExecutionState, RequestState
from approvals.models import Vote
from audit.models import EventRow
from inventory.models import Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, made_namespace, workload
from tests.unwritable import unwritable

LOST = "Work in flight on the pods that stop: they get their termination grace period to finish."


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made
        assert made.effects() == []


@pytest.fixture
def checkout(shop: Shop, namespace: Namespace) -> Workload:
    namespace.apply(workload("checkout"))
    namespace.roll_out("deployment", "checkout")
    return shop.knows("checkout")


def agreed(people: People, checkout: Workload) -> Request:
    request = asks(people.mira, "resize-workload", checkout, replicas=3)
    approves(people.jonas, request)
    return request


def is_stale(request: Request) -> bool:
    run = work_off(request)
    return (run.state, fresh(request).state) == (ExecutionState.CANCELLED, RequestState.STALE)


def test_who_agreed_is_shown_what_would_happen_instead(
    people: People, checkout: Workload, namespace: Namespace
) -> None:
    request = agreed(people, checkout)
    namespace.kubectl("scale", "deployment/checkout", "--replicas=4")
    namespace.roll_out("deployment", "checkout")
    assert is_stale(request)
    stored = fresh(request)
    differences = [(each.label, each.agreed, each.now) for each in compare(stored.plan_text, stored.stale_plan_text)]
    assert differences[0] == ("Change", "Resize checkout, replicas 2 to 3", "Resize checkout, replicas 4 to 3")
    assert {("Cannot be undone", "nothing", LOST), ("spec.replicas", "2 to 3", "4 to 3")} < set(differences)


def test_a_plan_that_differs_in_anything_signed_does_not_run(
    people: People, checkout: Workload, settings: Settings
) -> None:
    """Also when the step itself would find nothing amiss: here the result would be watched for longer."""
    request = agreed(people, checkout)
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 3})
    assert is_stale(request)
    assert Execution.objects.get().cause == "What would happen is no longer what was agreed, so nothing was done."


def test_what_was_observed_around_a_plan_is_not_signed(
    people: People, checkout: Workload, namespace: Namespace
) -> None:
    """A restart is the same restart when an autoscaler has added a pod meanwhile."""
    seen = services.preview(actor=people.mira, action="restart-workload", target=checkout.pk, params={})
    namespace.kubectl("scale", "deployment/checkout", "--replicas=3")
    namespace.roll_out("deployment", "checkout")
    again = services.preview(actor=people.mira, action="restart-workload", target=checkout.pk, params={})
    assert again.plan.numbers["pods"] == 3
    assert again.plan.digest == seen.plan.digest


def everything() -> list[object]:
    return [list(model.objects.order_by("pk").values()) for model in (Request, Vote, Execution, JournalEntry, EventRow)]


def test_nothing_is_asked_decided_or_taken_back_that_cannot_be_recorded(people: People, checkout: Workload) -> None:
    request = asks(people.mira, "resize-workload", checkout, replicas=3)
    before = everything()
    with unwritable("audit_event", ("verb",)):
        for write in (
            lambda: asks(people.mira, "resize-workload", checkout, replicas=3),
            lambda: approves(people.jonas, request),
            lambda: services.withdraw(actor=people.mira, request=fresh(request)),
        ):
            with pytest.raises(DatabaseError):
                write()
    assert everything() == before


@pytest.mark.parametrize(("table", "columns"), [("audit_event", ("verb",)), ("actions_journalentry", ())])
def test_nothing_is_done_that_was_not_written_down_first(
    people: People, checkout: Workload, namespace: Namespace, table: str, columns: tuple[str, ...]
) -> None:
    request = agreed(people, checkout)
    run = claiming.claim()
    assert run is not None
    assert claiming.start(run)
    assert confirmation.confirm(run) == confirmation.Answer()
    with unwritable(table, columns), pytest.raises(DatabaseError):
        execution.advance(run)
    assert namespace.effects() == []
    assert not Execution.objects.get(request=request).journal.filter(phase="apply").exists()
