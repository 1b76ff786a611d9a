"""A KV secret is rotated as a saga: everybody who reads it has the new version before the old one is refused, or the old one comes back."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hvac.exceptions import InvalidPath

from actions import claiming, execution, journal, services, supplying
from actions.errors import BadParams, CannotPlanNow, NotAllowed, TooLate
from actions.models import Execution, JournalEntry, Request
from actions.states import ExecutionState, RequestState
from actions.terms import Terms
from connectors.kubernetes import KubernetesCluster
from connectors.vault.rotation import Rotation
from inventory.models import Secret, Team, Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, made_namespace, workload
from tests.safe import Database, Safe, made_database, made_safe
from tests.vault import Vault

pytestmark = pytest.mark.usefixtures("in_a_hurry")

Status = JournalEntry.Status


@pytest.fixture(scope="module")
def there(endpoints: Endpoints) -> Iterator[Namespace]:
    """With two readers at rest, which every test finds as the last one left them, and one that a restart breaks."""
    with made_namespace(endpoints) as made:
        made.apply(
            workload("first", replicas=1), workload("second", replicas=1), workload("fragile", replicas=1, behaviour="image-gone")
        )  # fmt: skip
        for name in ("first", "second", "fragile"):
            made.roll_out("deployment", name)
        yield made


@pytest.fixture(scope="module")
def safe(endpoints: Endpoints) -> Iterator[Safe]:
    with made_safe(endpoints) as made:
        yield made


@pytest.fixture(scope="module")
def orders(endpoints: Endpoints) -> Iterator[Database]:
    with made_database(endpoints) as made:
        yield made


@pytest.fixture
def vault(safe: Safe) -> Vault:
    return safe.vault


@pytest.fixture
def shop(people: People, cluster: KubernetesCluster, there: Namespace) -> Shop:
    return Shop(cluster, there)


@pytest.fixture
def first(shop: Shop) -> Workload:
    return shop.knows("first", environment=shop.staging)


@pytest.fixture
def second(shop: Shop) -> Workload:
    return shop.knows("second")


@pytest.fixture
def stripe(safe: Safe, shop: Shop, first: Workload) -> Secret:
    return safe.kv("stripe", {"api_key": "old-api-key", "id": "acct-1"}, first, environment=shop.staging)


@pytest.fixture
def unread(safe: Safe, shop: Shop) -> Secret:
    """For what is not about readers."""
    return safe.kv("unread", {"api_key": "old-api-key", "id": "acct-1"}, environment=shop.staging)


def rotates(people: People, secret: Secret, **params: Any) -> Request:
    return asks(people.mira, "rotate-secret", secret, **params)


def evidence_of(run: Execution) -> dict[str, Any]:
    return {name: value for entry in run.journal.all() for name, value in entry.evidence.items()}


def restarted(namespace: Namespace, name: str) -> str | None:
    template = namespace.get("deployment", name)["spec"]["template"]["metadata"]
    found: str | None = template.get("annotations", {}).get("kubectl.kubernetes.io/restartedAt")
    return found


def test_readers_have_the_new_version_before_the_old_one_is_refused(
    safe: Safe, shop: Shop, people: People, vault: Vault, there: Namespace, first: Workload, second: Workload
) -> None:
    secret = safe.kv("stripe", {"api_key": "old", "id": "acct-1"}, second, first, environment=shop.production)
    request = rotates(people, secret, keys="api_key", generator="hex")
    assert request.state == RequestState.AWAITING_APPROVAL
    approves(people.jonas, request)

    run = work_off(request)

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    now = vault.value(secret.path)
    assert (now["id"], len(bytes.fromhex(now["api_key"]))) == ("acct-1", 32)
    with pytest.raises(InvalidPath):
        vault.value(secret.path, 1)
    done = [entry.title for entry in run.journal.filter(phase="apply", status=Status.DONE)]
    assert done == [
        f"Write version 2 of {secret.path}", f"Restart Deployment {there.name}/first", f"Restart Deployment {there.name}/second",
        "Prove that all who read it run with the new one", "Destroy version 1",
    ]  # fmt: skip
    assert {restarted(there, name) for name in ("first", "second")} == {run.stamp}
    assert evidence_of(run)["in use"] == "by 2 pods, all made after the new one was there"
    assert evidence_of(run)["old version"] == "version 1 is refused: destroyed"


def test_the_vaults_own_record_names_the_run_and_the_person(people: People, vault: Vault, unread: Secret) -> None:
    run = work_off(rotates(people, unread))

    touched = [
        e["auth"] for e in vault.entries()
        if unread.path in e["request"]["path"] and e["request"]["path"].startswith(("secret/data", "secret/destroy"))
        and e["auth"]["display_name"] != "root"
    ]  # fmt: skip
    assert len(touched) == 3  # written, destroyed, and asked for once more to see it refused
    assert {(str(run.mark) in each["display_name"], each["metadata"]["person"]) for each in touched} == {(True, "mira")}


class Killed(BaseException):
    """The worker is gone."""


def test_a_worker_may_die_at_the_end_of_every_step_and_each_happens_once(
    people: People, vault: Vault, there: Namespace, stripe: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, effects = rotates(people, stripe), len(there.effects())
    died = dies_at_every_end(monkeypatch)

    run = work_off_with_new_workers(request)

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert died == [entry.step for entry in run.journal.filter(phase="apply")]
    written = [r for r in vault.requests(stripe.path) if r.split()[0] == "patch" and "secret/data" in r]
    assert len(written) == 1
    assert len(there.effects()) == effects + 1
    assert vault.value(stripe.path)["api_key"] != "old-api-key"


def test_a_worker_may_die_at_the_end_of_every_step_of_the_way_back(
    safe: Safe, shop: Shop, people: People, vault: Vault, there: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    fragile = shop.knows("fragile", environment=shop.staging)
    secret = safe.kv("smtp", {"password": "old"}, fragile, environment=shop.staging)
    before = there.get("deployment", "fragile")["spec"]["template"]
    request = rotates(people, secret)
    died = dies_at_every_end(monkeypatch)

    run = work_off_with_new_workers(request)

    assert run.state == ExecutionState.REVERTED, run.cause
    assert "image cannot be pulled" in run.cause
    assert "put-back" in died
    assert vault.value(secret.path) == {"password": "old"}
    assert vault.root.secrets.kv.v2.read_secret_metadata(secret.path)["data"]["current_version"] == 3
    assert there.get("deployment", "fragile")["spec"]["template"] == before


def dies_at_every_end(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each step happens, and the first worker that would write that down is gone before it does."""
    died: list[str] = []
    settle = journal.settle

    def dying(run: Execution, entry: JournalEntry, *args: Any, **more: Any) -> None:
        if entry.step not in died and args[0] == Status.DONE:
            died.append(entry.step)
            raise Killed
        settle(run, entry, *args, **more)

    monkeypatch.setattr(journal, "settle", dying)
    return died


def work_off_with_new_workers(request: Request) -> Execution:
    while True:
        try:
            return work_off(request)
        except Killed:
            Execution.objects.filter(request=request).update(
                lease_until=timezone.now(), run_after=timezone.now(), crashes=0
            )


def test_a_credential_that_does_not_log_in_is_taken_back_before_anybody_restarts(
    safe: Safe, shop: Shop, people: People, vault: Vault, there: Namespace, first: Workload, orders: Database
) -> None:
    """Generated, so that the database does not know it."""
    orders.set_password("known-to-the-database")
    value = {"username": orders.user, "password": "known-to-the-database"}
    secret = safe.kv("orders", value, first, environment=shop.staging, **{"afterdeck-login": orders.url})
    last = restarted(there, "first")

    run = work_off(rotates(people, secret, keys="password"))

    assert run.state == ExecutionState.REVERTED, run.cause
    assert "The new credential does not log in." in run.cause
    assert vault.value(secret.path) == value
    assert restarted(there, "first") == last


def test_a_typed_value_is_proved_and_kept_nowhere(
    safe: Safe, shop: Shop, people: People, vault: Vault, orders: Database
) -> None:
    value = {"username": orders.user, "password": "old"}
    secret = safe.kv("orders", value, environment=shop.staging, **{"afterdeck-login": orders.url})
    request = rotates(people, secret, keys="password", source="supply")
    assert claiming.claim() is None, "No worker takes a run that waits for a value."
    orders.set_password("typed-by-mira")

    with pytest.raises(NotAllowed):
        supplying.supply(actor=people.leila, request=fresh(request), values={"password": "typed-by-leila"})
    supplying.supply(actor=people.mira, request=fresh(request), values={"password": "typed-by-mira"})
    run = work_off(request)

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert vault.value(secret.path) == {"username": orders.user, "password": "typed-by-mira"}
    assert f"{orders.user} logs in" in evidence_of(run)["login"]
    with pytest.raises(TooLate):
        supplying.supply(actor=people.mira, request=fresh(request), values={"password": "once more"})


def test_a_value_that_somebody_types_in_has_no_time_of_its_own(people: People, unread: Secret) -> None:
    with pytest.raises(BadParams, match="it runs when somebody does that"):
        services.submit(
            actor=people.mira, action="rotate-secret", target=unread.pk, params={"source": "supply", "keys": "api_key"},
            reason="Tonight.", entrance="test", terms=Terms(not_before=timezone.now() + timedelta(hours=2)),
        )  # fmt: skip


def test_a_value_that_went_with_its_process_is_not_guessed(
    people: People, vault: Vault, unread: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = rotates(people, unread, source="supply", keys="api_key")

    def dies(*_: object, **__: object) -> None:
        raise Killed

    with monkeypatch.context() as patched, pytest.raises(Killed):
        patched.setattr("connectors.vault.rotation.Rotation.merge", dies)
        supplying.supply(actor=people.mira, request=fresh(request), values={"api_key": "typed-by-mira"})
    run = work_off_with_new_workers(request)

    assert run.state == ExecutionState.REVERTED, run.cause
    assert "hand it in once more" in run.cause
    assert vault.value(unread.path)["api_key"] == "old-api-key"


def test_what_somebody_else_wrote_meanwhile_makes_the_request_stale(
    people: People, vault: Vault, there: Namespace, unread: Secret
) -> None:
    request = rotates(people, unread)
    vault.root.secrets.kv.v2.create_or_update_secret(unread.path, {"api_key": "somebody else's"})

    run = work_off(request)

    assert (run.state, fresh(request).state) == (ExecutionState.CANCELLED, RequestState.STALE)
    assert vault.value(unread.path) == {"api_key": "somebody else's"}


def test_what_somebody_else_wrote_after_us_is_not_written_over(
    people: People, vault: Vault, unread: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = rotates(people, unread)
    at_step(
        monkeypatch,
        "prove",
        lambda: vault.root.secrets.kv.v2.create_or_update_secret(unread.path, {"api_key": "theirs"}),
    )

    run = work_off(request)

    assert run.state == ExecutionState.NEEDS_HUMAN, run.cause
    assert "Somebody wrote version 3 meanwhile" in run.cause
    assert vault.value(unread.path) == {"api_key": "theirs"}
    assert vault.value(unread.path, 1)["api_key"] == "old-api-key"


def at_step(monkeypatch: pytest.MonkeyPatch, step: str, happens: Callable[[], object]) -> None:
    """Somebody else acts right after a step is done."""
    settle = journal.settle

    def then(run: Execution, entry: JournalEntry, *args: Any, **more: Any) -> None:
        settle(run, entry, *args, **more)
        if entry.step == step:
            happens()

    monkeypatch.setattr(journal, "settle", then)


def test_a_cancelled_rotation_brings_the_old_value_back(
    people: People, vault: Vault, there: Namespace, stripe: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = rotates(people, stripe)
    at_step(monkeypatch, "write", lambda: services.cancel(actor=people.mira, request=fresh(request)))
    last = restarted(there, "first")

    run = work_off(request)

    assert run.state == ExecutionState.REVERTED, run.cause
    assert vault.value(stripe.path)["api_key"] == "old-api-key"
    assert restarted(there, "first") == last


def test_a_kept_version_can_be_gone_back_to(people: People, vault: Vault, unread: Secret) -> None:
    request = rotates(people, unread, revoke_old=False)
    assert work_off(request).state == ExecutionState.SUCCEEDED
    assert vault.value(unread.path)["api_key"] != "old-api-key"

    undone = services.undo(actor=people.mira, request=fresh(request), reason="It broke.", entrance="test")

    assert work_off(undone).state == ExecutionState.SUCCEEDED
    assert vault.value(unread.path) == {"api_key": "old-api-key", "id": "acct-1"}


def test_a_secret_that_nobody_says_they_read_is_rotated_and_said_to_be_so(people: People, unread: Secret) -> None:
    seen = services.preview(actor=people.mira, action="rotate-secret", target=unread.pk, params={})

    assert "No workload says that it reads this" in str(seen.plan.impact)
    assert [step.verb for step in seen.plan.steps] == ["write", "prove", "destroy"]


@pytest.mark.parametrize(
    ("params", "why"),
    [
        ({"keys": "nothing"}, "It has no key 'nothing'. It has: api_key, id."),
        ({"source": "earlier", "version": 1}, "Version 1 is the current one"),
    ],
)
def test_what_cannot_be_rotated_is_refused_with_the_reason(
    people: People, stripe: Secret, params: dict[str, Any], why: str
) -> None:
    with pytest.raises(CannotPlanNow, match=why):
        rotates(people, stripe, **params)


def test_an_engine_that_the_policies_leave_out_is_refused_with_the_reason(
    safe: Safe, shop: Shop, people: People
) -> None:
    with pytest.raises(CannotPlanNow, match="does not allow Afterdeck to read"):
        rotates(people, safe.row("kv2", "elsewhere", "x", (), shop.staging))


def test_a_paused_reader_is_named_before_anything_is_agreed(people: People, there: Namespace, stripe: Secret) -> None:
    there.kubectl("rollout", "pause", "deployment/first")
    try:
        with pytest.raises(
            CannotPlanNow, match=r"first reads this secret and cannot be restarted\. The rollout is paused"
        ):
            rotates(people, stripe)
    finally:
        there.kubectl("rollout", "resume", "deployment/first")


def test_that_other_teams_are_restarted_is_said_and_seen_by_the_policy(
    safe: Safe, shop: Shop, people: People, first: Workload, second: Workload
) -> None:
    second.service.team = Team.objects.get(slug="storefront")
    second.service.save()
    secret = safe.kv("shared", {"key": "old"}, first, second, environment=shop.staging)

    seen = services.preview(actor=people.mira, action="rotate-secret", target=secret.pk, params={})

    assert [(each.figure, each.worry) for each in seen.plan.impact if each.label == "Other teams"] == [
        ("storefront", True)
    ]
    assert (seen.plan.numbers["other_teams"], seen.plan.numbers["pods"], seen.plan.numbers["objects"]) == (1, 2, 3)


def test_a_pod_that_started_with_the_new_value_goes_with_it(
    safe: Safe, shop: Shop, people: People, there: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has the old template, so putting that back would leave it, with a value that is no longer the one."""
    fragile = shop.knows("fragile", environment=shop.staging)
    secret = safe.kv("smtp", {"password": "old"}, fragile, environment=shop.staging)
    born: set[str] = set()

    def starts_anew() -> None:
        there.kubectl("delete", "pod", "-l", "app.kubernetes.io/name=fragile", "--grace-period=0", "--force")
        there.roll_out("deployment", "fragile")
        born.update(pods(there, "fragile"))

    request = rotates(people, secret)
    at_step(monkeypatch, "write", starts_anew)

    run = work_off(request)

    assert run.state == ExecutionState.REVERTED, run.cause
    assert born
    assert born.isdisjoint(pods(there, "fragile"))


def pods(namespace: Namespace, name: str) -> set[str]:
    return set(namespace.kubectl("get", "pods", "-l", f"app.kubernetes.io/name={name}", "-o", "name").split())


def test_of_two_writes_at_the_same_moment_ours_yields(
    people: People, vault: Vault, unread: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, merge = rotates(people, unread), Rotation.merge

    def after_somebody_else(self: Rotation, mount: str, path: str, values: dict[str, Any], *, seen: int) -> None:
        if len(vault.root.secrets.kv.v2.read_secret_metadata(path)["data"]["versions"]) == 1:
            vault.root.secrets.kv.v2.create_or_update_secret(path, {"api_key": "theirs"})
        merge(self, mount, path, values, seen=seen)

    monkeypatch.setattr(Rotation, "merge", after_somebody_else)

    run = work_off(request)

    assert (run.state, fresh(request).state) == (ExecutionState.CANCELLED, RequestState.STALE), run.cause
    assert vault.value(unread.path) == {"api_key": "theirs"}


def test_readers_of_the_same_name_are_each_restarted(
    safe: Safe, shop: Shop, people: People, there: Namespace, first: Workload
) -> None:
    """In another cluster, or of another kind, which is what one cluster can have."""
    there.apply(workload("first", kind="StatefulSet", replicas=1))
    there.roll_out("statefulset", "first")
    twin = shop.knows("first", kind="StatefulSet", environment=shop.staging)
    secret = safe.kv("twins", {"key": "old"}, first, twin, environment=shop.staging)

    run = work_off(rotates(people, secret))

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    template = there.get("statefulset", "first")["spec"]["template"]["metadata"]
    assert template["annotations"]["kubectl.kubernetes.io/restartedAt"] == restarted(there, "first") == run.stamp


@pytest.mark.parametrize("dies", ["note", "replace", "settled note"])
def test_the_old_value_comes_back_where_the_vault_keeps_two_versions_and_a_worker_dies_in_between(
    people: People, vault: Vault, unread: Secret, monkeypatch: pytest.MonkeyPatch, dies: str
) -> None:
    """The version that puts it back pushes out the one that it is read from."""
    vault.root.secrets.kv.v2.update_metadata(unread.path, max_versions=2)
    request = rotates(people, unread)
    at_step(monkeypatch, "write", lambda: services.cancel(actor=people.mira, request=fresh(request)))
    note, replaced, calls = Rotation.note, Rotation.replace, list[str]()

    def counted(name: str, call: Callable[..., None]) -> Callable[..., None]:
        def then(*args: Any, **more: Any) -> None:
            call(*args, **more)
            if " back " not in f" {args[-1]} " and name == "note":
                return
            calls.append("settled note" if name in calls else name)
            if calls[-1] == dies and calls.count(dies) == 1:
                raise Killed

        return then

    monkeypatch.setattr(Rotation, "note", counted("note", note))
    monkeypatch.setattr(Rotation, "replace", counted("replace", replaced))

    run = work_off_with_new_workers(request)

    assert run.state == ExecutionState.REVERTED, run.cause
    assert dies in calls
    assert vault.value(unread.path) == {"api_key": "old-api-key", "id": "acct-1"}
    assert vault.root.secrets.kv.v2.read_secret_metadata(unread.path)["data"]["current_version"] == 3


def test_what_the_vault_keeps_one_version_of_is_refused(people: People, vault: Vault, unread: Secret) -> None:
    vault.root.secrets.kv.v2.update_metadata(unread.path, max_versions=1)

    with pytest.raises(CannotPlanNow, match="keeps 1 version"):
        rotates(people, unread)


def test_what_only_looks_says_so(people: People, unread: Secret) -> None:
    seen = services.preview(actor=people.mira, action="rotate-secret", target=unread.pk, params={})

    assert [(step.verb, step.looks) for step in seen.plan.steps] == [
        ("write", False), ("prove", True), ("destroy", False),
    ]  # fmt: skip


def test_nothing_else_happens_to_a_reader_meanwhile(
    people: People, there: Namespace, stripe: Secret, first: Workload, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    def wants_to_restart_it() -> None:
        other = asks(people.mira, "restart-workload", first)
        run = claiming.claim(only=fresh(other).execution.pk)
        assert run is not None
        execution.advance(run)
        said.append(fresh(other).execution.cause)

    request = rotates(people, stripe)
    at_step(monkeypatch, "write", wants_to_restart_it)

    assert work_off(request).state == ExecutionState.SUCCEEDED
    assert said == [f"Request {request.pk} is running on the same target. One change at a time."]
