"""Tasks from asking to their log: done, failed, stopped, refused; and CronJobs run, suspended and resumed."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from django.test import Client

from actions import admission, claiming, execution, journal, lifecycle, services
from actions.errors import BadParams, CannotPlanNow, NotFound, TooLate
from actions.models import Execution, JournalEntry, Request, RunLog
from actions.planning import world_for
from actions.protocol import Run, Step
from actions.registry import action_named
from actions.states import ExecutionState, RequestState
from audit import queries
from audit.events import SYSTEM
from connectors.kubernetes.jobs import job_name
from inventory.models import Person, Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, eventually, made_namespace, workload
from tests.tasks import cronjob, task_template

pytestmark = pytest.mark.usefixtures("no_soak")

CANARIES = ("canary-password-in-a-log", "canary-bearer", "canary-assigned", "Y2FuYXJ5LWtleS1pbi1hLWxvZw")


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("checkout", replicas=0))
        yield made


@pytest.fixture
def staging(shop: Shop) -> Workload:
    return shop.knows("checkout", environment=shop.staging)


def page_of(person: Person, request: Request) -> str:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return client.get(f"/requests/{request.pk}").content.decode()


def until_running(namespace: Namespace, request: Request, template: str) -> str:
    """Work until the task's container runs, and return the name of its Job."""
    name = job_name(template, str(Execution.objects.get(request=request).mark))

    def running() -> bool:
        if (run := claiming.claim()) is not None:
            execution.advance(run)
        pods = json.loads(namespace.kubectl("get", "pods", "-l", f"job-name={name}", "-o", "json"))["items"]
        return any(
            "running" in status["state"] for pod in pods for status in pod["status"].get("containerStatuses", [])
        )

    eventually(running)
    return name


def test_a_task_runs_and_its_log_is_kept_without_what_should_not_be_in_it(
    people: People, staging: Workload, namespace: Namespace, client: Client
) -> None:
    namespace.apply(task_template("reports", container="careless-task", service="checkout"))
    request = asks(people.mira, "run-task", staging, template="reports", values={"BATCH_SIZE": "20"})

    run = work_off(request)

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    [effect] = [each for each in namespace.effects() if each["verb"] == "create"]
    assert effect["impersonatedUser"]["username"] == "mira"
    [log] = RunLog.objects.filter(execution=run)
    assert "reports could not be sent" in log.text
    assert "\x1b" not in log.text
    kept = repr([*queries.events(queries.Filter()).values(), *Request.objects.values(), *RunLog.objects.values()])
    assert [canary for canary in CANARIES if canary in kept] == []
    client.force_login(people.mira)
    shown = client.get(f"/requests/{request.pk}/logs").content.decode()
    assert "&lt;img src=x onerror=alert(1)&gt;" in shown
    assert "<img" not in shown
    file = client.get(f"/requests/{request.pk}/logs/{log.pk}.log")
    assert (file["Content-Type"], file["X-Content-Type-Options"]) == ("text/plain; charset=utf-8", "nosniff")
    assert f"/requests/{request.pk}/logs" in client.get(f"/requests/{request.pk}").content.decode()
    [told] = client.get(f"/api/requests/{request.pk}/logs").json()
    assert (told["container"], told["truncated"]) == ("careless-task", False)
    client.force_login(people.leila)
    assert client.get(f"/requests/{request.pk}/logs").status_code == 404
    assert client.get(f"/requests/{request.pk}/logs/{log.pk}.log").status_code == 404
    assert client.get(f"/api/requests/{request.pk}/logs").status_code == 404
    with pytest.raises(TooLate, match="no inverse"):
        services.undo(actor=people.mira, request=fresh(request), reason="Back.", entrance="test")


def test_a_task_that_fails_is_taken_away_and_its_log_stays(
    people: People, staging: Workload, namespace: Namespace
) -> None:
    namespace.apply(task_template("broken-task", image="registry.example/tasks-fails:1"))
    run = work_off(asks(people.mira, "run-task", staging, template="broken-task"))

    assert run.state == ExecutionState.REVERTED
    assert run.cause == "The task failed: Ended with exit code 1. What it had done by then stays done."
    page = page_of(people.mira, run.request)
    assert "The task failed, and it was stopped" in page
    assert 'data-state="failed"' in page
    assert "Reverted" not in page
    assert "taken back" not in page
    assert "index built" in RunLog.objects.get(execution=run).text
    assert "broken-task" not in namespace.kubectl("get", "jobs", "-o", "name")


def test_cancelling_stops_the_task(people: People, staging: Workload, namespace: Namespace) -> None:
    namespace.apply(task_template("endless", runs="600s"))
    request = asks(people.mira, "run-task", staging, template="endless")
    until_running(namespace, request, "endless")

    services.cancel(actor=people.mira, request=fresh(request))
    run = work_off(request)

    assert (run.state, run.cause) == (ExecutionState.REVERTED, "Mira cancelled it.")
    page = page_of(people.mira, request)
    assert re.search(r"Cancelled at .{5}\. What it had done by then stays done\.", page)
    assert "Reverted" not in page
    assert "endless" not in namespace.kubectl("get", "jobs,pods", "-o", "name")
    assert RunLog.objects.filter(execution=run).exists()  # as far as it had come


def test_a_start_that_nobody_answered_cannot_come_late_once_it_was_stopped(
    people: People, staging: Workload, namespace: Namespace
) -> None:
    """It was cancelled while nobody could say whether the Job had been made. Its name is taken by then, also for a late request."""
    namespace.apply(task_template("late"))
    request = asks(people.mira, "run-task", staging, template="late")
    from_the_wire = job_name("late", str(Execution.objects.get(request=request).mark))
    run = claiming.claim()
    assert run is not None
    begun(run)

    services.cancel(actor=people.mira, request=fresh(request))
    Execution.objects.filter(pk=run.pk).update(lease_until=None)
    assert work_off(request).state == ExecutionState.REVERTED

    job = namespace.get("job", from_the_wire)
    assert job["spec"]["completions"] == 0
    eventually(lambda: "Complete" in json.dumps(namespace.get("job", from_the_wire)["status"]))
    assert from_the_wire not in namespace.kubectl("get", "pods", "-o", "name")


def begun(run: Execution) -> JournalEntry:
    assert claiming.start(run)
    return journal.intend(run, JournalEntry.Phase.APPLY, admission.stored_plan(run.request).steps[0], actor=SYSTEM)


def happened(run: Execution) -> None:
    begun(run)
    _do(run, admission.stored_plan(run.request).steps[0])


def stopping(run: Execution) -> None:
    """And the Job is gone already, but nobody has written that down."""
    entry, plan = begun(run), admission.stored_plan(run.request)
    done = dict(_do(run, plan.steps[0]))
    journal.settle(run, entry, JournalEntry.Status.DONE, actor=SYSTEM, detail="", evidence=done)
    lifecycle.move(run, to=ExecutionState.REVERTING, actor=SYSTEM, summary="", changes={"cause": "Taken back."})
    journal.intend(run, JournalEntry.Phase.REVERT, plan.revert[0], actor=SYSTEM)
    _do(run, plan.revert[0])


def _do(run: Execution, step: Step) -> Mapping[str, str | int]:
    plan = admission.stored_plan(run.request)
    world = world_for(
        plan.target, run.request.requester, Run(str(run.mark), run.stamp, evidence=journal.evidence_of(run))
    )
    return action_named(plan.action).apply(step, plan, world)


@pytest.mark.parametrize(
    ("point", "state"),
    [(begun, ExecutionState.SUCCEEDED), (happened, ExecutionState.SUCCEEDED), (stopping, ExecutionState.REVERTED)],
)
def test_whoever_takes_over_starts_and_stops_it_once(
    people: People, staging: Workload, namespace: Namespace, point: Callable[[Execution], object], state: ExecutionState
) -> None:
    namespace.apply(task_template("once"))
    effects = len(namespace.effects())
    request = asks(people.mira, "run-task", staging, template="once")
    run = claiming.claim()
    assert run is not None
    point(run)
    Execution.objects.filter(pk=run.pk).update(lease_until=None)

    assert work_off(request).state == state

    verbs = [each["verb"] for each in namespace.effects()[effects:]]
    assert verbs == (["create"] if state == ExecutionState.SUCCEEDED else ["create", "delete"])


def test_a_name_that_somebody_else_took_is_theirs(people: People, staging: Workload, namespace: Namespace) -> None:
    namespace.apply(task_template("taken"))
    request = asks(people.mira, "run-task", staging, template="taken")
    name = job_name("taken", str(Execution.objects.get(request=request).mark))
    namespace.kubectl("create", "job", name, "--image=registry.example/mine:1")

    run = work_off(request)

    assert (run.state, fresh(request).state) == (ExecutionState.CANCELLED, RequestState.STALE)
    assert "another Job by the name" in run.cause
    assert namespace.get("job", name)["spec"]["template"]["spec"]["containers"][0]["image"] == "registry.example/mine:1"


def test_a_template_that_changed_since_it_was_agreed_is_not_run(
    shop: Shop, people: People, namespace: Namespace
) -> None:
    namespace.apply(task_template("moving"))
    request = asks(people.mira, "run-task", shop.knows("checkout"), template="moving")
    assert request.state == RequestState.AWAITING_APPROVAL
    namespace.apply(task_template("moving", command=["/app/drop-everything"]))
    approves(people.jonas, request)

    run = work_off(request)

    assert (run.state, fresh(request).state) == (ExecutionState.CANCELLED, RequestState.STALE)
    assert "moving" not in namespace.kubectl("get", "jobs", "-o", "name")


BAD: list[tuple[dict[str, str], str]] = [
    ({"BATCH_SIZE": "9"}, "values.BATCH_SIZE"),
    ({"BATCH_SIZE": "5001"}, "values.BATCH_SIZE"),
    ({"BATCH_SIZE": "1_000"}, "values.BATCH_SIZE"),
    ({"BATCH_SIZE": "٣٣"}, "values.BATCH_SIZE"),
    ({"BATCH_SIZE": "1e3"}, "values.BATCH_SIZE"),
    ({"BATCH_SIZE": ""}, "values.BATCH_SIZE"),
    ({"MODE": "drop"}, "values.MODE"),
    ({"MODE": "check\n"}, "values.MODE"),
    ({"ORDER": "DE-1;rm -rf /"}, "values.ORDER"),
    ({"ORDER": "DE-1\n"}, "values.ORDER"),
    ({"ORDER": "$(DB_PASSWORD)"}, "values.ORDER"),
    ({"ORDER": "DE-" + "1" * 5000}, "values.ORDER"),
    ({"LD_PRELOAD": "x.so"}, "values.LD_PRELOAD"),
    ({"order": "DE-1"}, "values.order"),
]


def test_a_value_that_was_not_approved_is_refused_with_its_field(
    people: People, staging: Workload, namespace: Namespace
) -> None:
    namespace.apply(task_template("bounded"))
    for values, field in BAD:
        with pytest.raises(BadParams) as refusal:
            asks(people.mira, "run-task", staging, template="bounded", values=values)
        assert [*refusal.value.fields] == [field]
        assert len(str(refusal.value)) < 500


UNUSABLE: list[tuple[Any, str]] = [
    ("no JSON", "parameters say"),
    ([{"name": "A", "type": "text", "pattern": "(", "max_length": 5}], "pattern"),
    ([{"name": "A", "type": "text", "pattern": "a)|(.*", "max_length": 5}], "pattern"),
    ([{"name": "A", "type": "int", "min": 1, "max": 5, "default": 9}], "default of A"),
    ([{"name": "A", "type": "int", "min": 1, "max": 5}] * 2, "twice"),
    ([{"name": "a b", "type": "int", "min": 1, "max": 5}], "parameters say"),
    ([{"name": "PATH", "type": "shell"}], "parameters say"),
]


def test_a_template_with_bounds_that_bound_nothing_cannot_be_used(
    people: People, staging: Workload, namespace: Namespace
) -> None:
    for parameters, said in UNUSABLE:
        namespace.apply(task_template("unbounded", parameters=parameters))
        with pytest.raises(CannotPlanNow, match=said):
            asks(people.mira, "run-task", staging, template="unbounded", values={"A": "1"})


def test_a_text_must_not_become_a_part_of_a_command(people: People, staging: Workload, namespace: Namespace) -> None:
    namespace.apply(task_template("shelly", command=["sh", "-c", "reindex $(ORDER)"]))
    with pytest.raises(CannotPlanNow, match="would become a part of its command"):
        asks(people.mira, "run-task", staging, template="shelly", values={"ORDER": "DE-1"})


def test_a_credential_is_no_value(people: People, staging: Workload, namespace: Namespace) -> None:
    note = {"name": "NOTE", "type": "text", "pattern": ".*", "max_length": 100}
    namespace.apply(task_template("free-text", parameters=[note]))
    with pytest.raises(BadParams, match="NOTE looks like a credential"):
        asks(people.mira, "run-task", staging, template="free-text", values={"NOTE": "password=canary-4711"})
    with pytest.raises(BadParams, match="one line"):
        asks(people.mira, "run-task", staging, template="free-text", values={"NOTE": "\u202etxt"})


def test_what_is_not_approved_or_is_another_service_s_is_no_task(
    people: People, staging: Workload, namespace: Namespace
) -> None:
    theirs = task_template("theirs", service="ledger")
    unapproved = task_template("unapproved")
    del unapproved["metadata"]["labels"]
    namespace.apply(theirs, unapproved)
    for name in ("theirs", "unapproved", "no-such-task", "../../secrets"):
        with pytest.raises(CannotPlanNow, match="has no task"):
            asks(people.mira, "run-task", staging, template=name)
    with pytest.raises(NotFound):
        asks(people.leila, "run-task", staging, template="theirs")


def test_the_form_asks_for_what_the_chosen_template_bounds(
    people: People, staging: Workload, namespace: Namespace, client: Client
) -> None:
    namespace.apply(task_template("aaa", service="checkout"), task_template("zzz", service="checkout", parameters=[]))
    client.force_login(people.mira)
    address = f"/services/checkout/run-task?workload={staging.pk}"
    page = client.get(address).content.decode()
    assert 'name="values.BATCH_SIZE"' in page
    assert 'value="500"' in page
    assert 'name="values.' not in client.get(f"{address}&template=zzz").content.decode()
    sent = {
        "template": "aaa",
        "inner_of": "aaa",
        "values.BATCH_SIZE": "7",
        "values.MODE": "check",
        "values.ORDER": "DE-",
    }
    plan = address.replace("run-task?", "run-task/plan?")
    wrong = client.post(plan, sent, headers={"HX-Request": "true"})
    assert wrong.status_code == 422
    assert (
        'hx-target="#problem-values-BATCH_SIZE" hx-swap="innerHTML swapEmpty:true">At least 10'
        in wrong.content.decode()
    )
    good = client.post(plan, {**sent, "values.BATCH_SIZE": "70"}, headers={"HX-Request": "true"}).content.decode()
    assert "containers[task].env[BATCH_SIZE]" in good
    assert 'hx-target="#inside"' not in good
    asked = {"target": staging.pk, "params": {"template": "aaa", "values": {"BATCH_SIZE": "7"}}}
    told = client.post("/api/actions/run-task/preview", asked, content_type="application/json")
    assert (told.status_code, [*told.json()["errors"]]) == (422, ["values.BATCH_SIZE"])
    other = client.post(plan, {**sent, "template": "zzz"}, headers={"HX-Request": "true"})
    assert other.status_code == 200
    assert 'hx-target="#inside"' in other.content.decode()


def test_a_cronjob_runs_now_is_suspended_and_resumed(shop: Shop, people: People, namespace: Namespace) -> None:
    namespace.apply(cronjob("loader"))
    loader = _knows(shop, namespace, "loader")
    run = work_off(asks(people.mira, "run-cronjob", loader))
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert RunLog.objects.filter(execution=run, text__contains="index built").exists()

    suspended = asks(people.mira, "suspend-cronjob", loader)
    assert work_off(suspended).state == ExecutionState.SUCCEEDED
    assert namespace.get("cronjob", "loader")["spec"]["suspend"] is True
    with pytest.raises(CannotPlanNow, match="suspended already"):
        asks(people.mira, "suspend-cronjob", loader)
    resumed = services.undo(actor=people.mira, request=fresh(suspended), reason="Back.", entrance="test")
    assert resumed.action == "resume-cronjob"
    assert work_off(resumed).state == ExecutionState.SUCCEEDED
    assert namespace.get("cronjob", "loader")["spec"]["suspend"] is False
    assert [each["impersonatedUser"]["username"] for each in namespace.effects()[-2:]] == ["mira", "mira"]


def test_a_cronjob_that_must_not_run_twice_at_once_is_not(shop: Shop, people: People, namespace: Namespace) -> None:
    namespace.apply(cronjob("alone", concurrency="Forbid", runs="600s"))
    alone = _knows(shop, namespace, "alone")
    first = asks(people.mira, "run-cronjob", alone)
    until_running(namespace, first, "alone")
    with pytest.raises(CannotPlanNow, match="still running"):
        asks(people.mira, "run-cronjob", alone)
    services.cancel(actor=people.mira, request=fresh(first))
    assert work_off(first).state == ExecutionState.REVERTED


def _knows(shop: Shop, namespace: Namespace, name: str) -> Workload:
    known = shop.knows("checkout", environment=shop.staging)
    uid = namespace.get("cronjob", name)["metadata"]["uid"]
    Workload.objects.filter(pk=known.pk).update(kind="CronJob", name=name, uid=uid)
    return Workload.objects.get(pk=known.pk)
