"""What fails each time that it is its turn keeps nothing else from having one, however many fail. No cluster answers here."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from django.apps import apps
from django.utils import timezone

from actions import apart, grants, sweeping
from actions.admission import stored_plan
from actions.models import Grant, Request
from actions.states import RequestState
from approvals.models import Round
from audit import queries
from connectors import registry
from connectors.kubernetes import ClusterConfig
from inventory.models import Workload
from tests.characters import People, fresh
from tests.portal.api.rows import make_request, make_workload

BROKEN = [{"rule": "of an older portal"}]


@pytest.fixture
def ledger(people: People) -> Workload:
    return make_workload("ledger", "payments")


@pytest.fixture(autouse=True)
def two_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "MOST", 2)
    monkeypatch.setattr(grants, "MOST_ENDS", 2)


@pytest.fixture
def silent_cluster(tmp_path: Path) -> Iterator[None]:
    """One that is connected, and where nobody answers."""
    place = tmp_path / "kubeconfig"
    place.write_text(
        "{apiVersion: v1, kind: Config, current-context: c, contexts: [{name: c, context: {cluster: c, user: u}}],"
        " clusters: [{name: c, cluster: {server: 'https://127.0.0.1:1'}}], users: [{name: u, user: {token: t}}]}"
    )
    registry.configure({"kubernetes": {"silent": ClusterConfig(place)}})
    yield
    apps.get_app_config("portal").ready()


def test_questions_that_cannot_be_asked_of_others_leave_the_one_between_them_its_turn(
    people: People, ledger: Workload
) -> None:
    requests = [make_request(ledger, people, number) for number in range(7)]
    good, hour_ago = requests[3], timezone.now() - timedelta(hours=1)
    others = {"after_minutes": 5, "of": "administrators", "people": [
        {"identity": people.kofi.identity, "username": "kofi", "name": "Kofi"}
    ]}  # fmt: skip
    for request in requests:
        assert request.round is not None
        needs = [{**need, "escalation": others} for need in request.round.requirements] if request == good else BROKEN
        Round.objects.filter(request=request).update(requirements=needs, escalates_at=hour_ago, opened_at=hour_ago)
    for _ in range(4):
        sweeping.sweep()
    assert [event.request_id for event in queries.events(queries.Filter(verb="request.escalated"))] == [good.pk]


def test_of_many_that_expire_each_does(people: People, ledger: Workload) -> None:
    requests = [make_request(ledger, people, number) for number in range(5)]
    Round.objects.update(expires_at=timezone.now())
    for _ in range(3):
        sweeping.sweep()
    assert {fresh(request).state for request in requests} == {RequestState.EXPIRED}


def test_a_silent_cluster_leaves_the_ends_elsewhere_their_turn_however_many_wait_for_it(
    people: People, ledger: Workload, silent_cluster: None
) -> None:
    """The oldest comes last of those that end in the same moment."""
    elsewhere = _over(make_request(ledger, people), cluster="not connected any more")
    for _ in range(5):
        _over(make_request(ledger, people), cluster="silent")
    for _ in range(3):
        grants.end_due()
    causes = set(Grant.objects.exclude(pk=elsewhere.pk).values_list("cause", flat=True))
    assert "" not in causes
    assert not any("connect it again" in cause for cause in causes)
    elsewhere.refresh_from_db()
    assert "not connected any more" in elsewhere.cause


def _over(request: Request, *, cluster: str) -> Grant:
    """A change of it that was for a while, which is over."""
    plan = stored_plan(request)
    plan = replace(plan, target=replace(plan.target, cluster=cluster), lasts_seconds=60)
    Request.objects.filter(pk=request.pk).update(plan_text=plan.text, digest=plan.digest)
    now = timezone.now()
    return Grant.objects.create(
        request=request, kind=Grant.Kind.CHANGE, target_key=f"{plan.target.key}-{request.pk}",
        starts_at=now - timedelta(minutes=2), ends_at=now,
    )  # fmt: skip
