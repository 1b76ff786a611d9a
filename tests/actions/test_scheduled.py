"""Agreed now, run later: nobody's turn before, everything looked at again then, and who may start it sooner."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import claiming, scheduled, services, sweeping
from actions.errors import BadParams, Denied, NotAllowed, TooLate
from actions.models import Execution, Request
from actions.states import ExecutionState, RequestState
from actions.targets import Row
from actions.terms import Terms
from approvals.models import Round
from audit import queries
from inventory.models import Person, Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves, fresh, work_off
from tests.cluster import Namespace, made_namespace, workload

R, E = RequestState, ExecutionState
TONIGHT = timedelta(hours=2)


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("checkout"))
        made.roll_out("deployment", "checkout")
        yield made


@pytest.fixture
def checkout(shop: Shop) -> Workload:
    return shop.knows("checkout")


@pytest.fixture
def staged(shop: Shop) -> Workload:
    return shop.knows("checkout", environment=shop.staging)


def asks_for(person: Person, target: Row, at: datetime, action: str = "restart-workload", **params: object) -> Request:
    return services.submit(
        actor=person, action=action, target=target.pk, params=params, reason="At night nobody buys.", entrance="test",
        terms=Terms(not_before=at),
    )  # fmt: skip


def tonight() -> datetime:
    return timezone.now() + TONIGHT


def it_gets_later(request: Request, by: timedelta) -> None:
    """As if it had been asked for that much earlier."""
    request = fresh(request)
    assert request.not_before is not None
    Request.objects.filter(pk=request.pk).update(not_before=request.not_before - by, created_at=request.created_at - by)
    for run in Execution.objects.filter(request=request):
        Execution.objects.filter(pk=run.pk).update(run_after=run.run_after - by, queued_at=run.queued_at - by)


def its_time_comes(request: Request) -> None:
    it_gets_later(request, TONIGHT + timedelta(minutes=1))


def recorded(verb: str) -> list[str]:
    return [f"{event.actor}: {event.summary}" for event in queries.events(queries.Filter(verb=verb))]


def policy_of(settings: Settings, folder: Path, text: str) -> None:
    (folder / "policy.yaml").write_text(text)
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": folder})


def test_until_its_time_it_is_nobodys_turn_and_nobody_is_late(people: People, staged: Workload) -> None:
    request = asks_for(people.mira, staged, timezone.now() + timedelta(days=20))
    for _ in range(2):  # longer than anything may stand in line
        it_gets_later(request, timedelta(hours=13))
    assert claiming.claim() is None
    sweeping.sweep()
    assert (fresh(request).state, fresh(request).execution.state) == (R.APPROVED, E.QUEUED)
    assert recorded("execution.overdue") == []
    assert "not before" in recorded("execution.queued")[0]


def test_when_its_time_comes_it_runs_and_says_so_where_it_acts(
    people: People, staged: Workload, namespace: Namespace, no_soak: None
) -> None:
    request = asks_for(people.mira, staged, tonight())
    stamp = fresh(request).execution.stamp
    its_time_comes(request)
    assert work_off(request).state == E.SUCCEEDED
    seen = namespace.kubectl("get", "deployment/checkout", "-o", "jsonpath={.spec.template.metadata.annotations}")
    assert stamp in seen
    assert abs(datetime.fromisoformat(stamp) - request.not_before) < timedelta(seconds=1)  # type: ignore[operator]  # it has one


def test_nobody_is_told_while_it_waits_and_somebody_is_when_it_is_late(people: People, staged: Workload) -> None:
    request = asks_for(people.mira, staged, tonight())
    its_time_comes(request)
    Execution.objects.update(run_after=timezone.now() - timedelta(minutes=3))
    sweeping.sweep()
    assert recorded("execution.overdue") == ["Afterdeck: it has not moved for 3 min"]
    Execution.objects.update(queued_at=timezone.now() - timedelta(hours=25))
    sweeping.sweep()
    assert fresh(request).state == R.STALE


def test_what_is_agreed_after_its_time_runs_at_once(people: People, checkout: Workload) -> None:
    request = asks_for(people.mira, checkout, tonight())
    its_time_comes(request)
    approves(people.jonas, request)
    claimed = claiming.claim()
    assert claimed is not None
    assert claimed.request_id == request.pk


def test_what_nobody_agrees_to_expires_whenever_it_was_to_run(people: People, checkout: Workload) -> None:
    request = asks_for(people.mira, checkout, timezone.now() + timedelta(days=20))
    Round.objects.update(expires_at=timezone.now())
    sweeping.sweep()
    assert fresh(request).state == R.EXPIRED


NIGHTS = """
- {schedule: nights, zone: Europe/Berlin, days: [mon, tue, wed, thu, fri, sat, sun], from: "22:00", until: "05:00"}
- {id: nights-only, when: "true", outside: nights, deny: true, because: "Only at night."}
- {id: at-night, when: "true", allow: true, because: "It is night."}
"""


def by_day(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """Noon, and the night after it."""
    noon = timezone.now().replace(hour=11, minute=0, second=0, microsecond=0) + timedelta(days=1)
    monkeypatch.setattr(timezone, "now", lambda: noon)
    return noon


def test_the_policy_is_asked_for_the_time_at_which_it_runs(
    people: People, staged: Workload, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy_of(settings, tmp_path, NIGHTS)
    noon = by_day(monkeypatch)
    with pytest.raises(Denied, match="Only at night"):
        asks_for(people.mira, staged, noon + timedelta(hours=1))
    request = asks_for(people.mira, staged, noon + timedelta(hours=12))
    assert request.state == R.APPROVED
    with pytest.raises(NotAllowed, match=r"The policy says no now\. Only at night"):
        scheduled.start_now(actor=people.mira, request=fresh(request))
    assert len(recorded("access.refused")) == 1
    later = noon + timedelta(hours=20)  # nobody took it in the night, and now it is day
    monkeypatch.setattr(timezone, "now", lambda: later)
    Execution.objects.update(run_after=datetime(2026, 1, 1, tzinfo=UTC))
    assert work_off(request).state == E.CANCELLED
    assert fresh(request).state == R.STALE
    assert "Only at night" in fresh(request).execution.cause


def test_whoever_asked_may_start_it_before_where_nobody_had_to_agree(people: People, staged: Workload) -> None:
    request = asks_for(people.mira, staged, tonight())
    with pytest.raises(NotAllowed, match="Only who asked"):
        scheduled.start_now(actor=people.jonas, request=fresh(request))
    scheduled.start_now(actor=people.mira, request=fresh(request))
    assert len(recorded("execution.brought_forward")) == 1
    with pytest.raises(TooLate, match="does not wait for its time any more"):
        scheduled.start_now(actor=people.mira, request=fresh(request))
    claimed = claiming.claim()
    assert claimed is not None
    assert abs(datetime.fromisoformat(claimed.stamp) - timezone.now()) < timedelta(minutes=1)


def test_the_time_is_part_of_what_was_agreed(people: People, checkout: Workload) -> None:
    request = asks_for(people.mira, checkout, tonight())
    with pytest.raises(NotAllowed):  # nobody has agreed
        scheduled.start_now(actor=people.jonas, request=fresh(request))
    approves(people.jonas, request)
    for nobody in (people.mira, people.mira_admin, people.ines, people.leila, people.kofi):
        with pytest.raises(NotAllowed, match="agreed for its time"):
            scheduled.start_now(actor=nobody, request=fresh(request))
    assert claiming.claim() is None
    assert len(recorded("access.refused")) == 6
    scheduled.start_now(actor=people.jonas, request=fresh(request))
    assert claiming.claim() is not None


def test_a_run_that_a_worker_has_taken_keeps_its_stamp(people: People, staged: Workload) -> None:
    request = asks_for(people.mira, staged, tonight())
    Execution.objects.update(run_after=timezone.now() - timedelta(seconds=1))  # the database's clock is ahead of ours
    before = claiming.claim()
    assert before is not None
    Execution.objects.update(run_after=request.not_before)
    with pytest.raises(TooLate):
        scheduled.start_now(actor=people.mira, request=fresh(request))
    assert fresh(request).execution.stamp == before.stamp


def test_it_can_be_taken_back_or_stopped_before_its_time(people: People, staged: Workload) -> None:
    first, second = (asks_for(people.mira, staged, tonight()) for _ in range(2))
    services.withdraw(actor=people.mira, request=fresh(first))
    assert fresh(first).state == R.WITHDRAWN
    services.cancel(actor=people.jonas, request=fresh(second))
    with pytest.raises(TooLate):
        scheduled.start_now(actor=people.mira, request=fresh(second))
    assert work_off(second).state == E.CANCELLED


def test_access_for_later_begins_by_itself(people: People, checkout: Workload) -> None:
    request = asks_for(people.mira, checkout, tonight(), "get-namespace-access", role="afterdeck-view-logs", minutes=60)
    approves(people.jonas, request)
    assert (fresh(request).execution.waits_for, claiming.claim()) == ("", None)


@pytest.mark.parametrize(
    ("at", "why"),
    [
        (datetime(2027, 1, 1, 12), "Say in which time zone"),  # noqa: DTZ001  # that is what is refused
        (datetime(2026, 1, 1, tzinfo=UTC), "That is over"),
        (datetime(2099, 1, 1, tzinfo=UTC), "At most 30 days ahead"),
    ],
)
def test_a_time_that_is_none_to_wait_for_is_refused(people: People, staged: Workload, at: datetime, why: str) -> None:
    with pytest.raises(BadParams, match=why):
        asks_for(people.mira, staged, at)
    assert not Request.objects.exists()


RATES = """
- {id: cooldown, when: "history.minutes_since_target < 30.0", deny: true, because: "It has just been touched."}
- {id: rate, when: "history.actor_requests_last_hour >= 3", deny: true, because: "You have asked a lot."}
- {id: free, when: "true", allow: true, because: "Free."}
"""


def test_the_target_has_rested_by_then_and_asking_for_later_counts_as_asking(
    people: People, staged: Workload, settings: Settings, tmp_path: Path
) -> None:
    policy_of(settings, tmp_path, RATES)
    now = timezone.now()
    first = asks_for(people.mira, staged, now + timedelta(minutes=1))
    Execution.objects.filter(request=first).update(started_at=now, state=E.SUCCEEDED, ended_at=now)
    with pytest.raises(Denied, match="just been touched"):
        asks_for(people.mira, staged, now + timedelta(minutes=10))
    asks_for(people.mira, staged, now + timedelta(minutes=40))
    with pytest.raises(Denied, match="asked a lot"):
        asks_for(people.mira, staged, now + timedelta(days=9))


def test_a_way_back_for_later_than_it_was_agreed_for_is_asked_about(
    people: People, checkout: Workload, namespace: Namespace, no_soak: None
) -> None:
    request = services.submit(
        actor=people.mira,
        action="resize-workload",
        target=checkout.pk,
        params={"replicas": 3},
        reason="Sale.",
        entrance="test",
    )
    approves(people.jonas, request)
    assert work_off(request).state == E.SUCCEEDED

    def undone(after: timedelta) -> str:
        how = Terms(not_before=timezone.now() + after)
        return services.undo(
            actor=people.mira, request=fresh(request), reason="Over.", entrance="test", terms=how
        ).state

    assert undone(timedelta(days=2)) == R.AWAITING_APPROVAL
    services.withdraw(actor=people.mira, request=Request.objects.get(undo_of=request))
    assert undone(timedelta(hours=5)) == R.APPROVED
    namespace.kubectl("scale", "deployment/checkout", "--replicas=2")
