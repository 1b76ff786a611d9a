"""Roles of the database engine: of a static one the old password is refused, of a dynamic one the users of before are gone."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from django.utils import timezone

from actions.models import Execution
from actions.states import ExecutionState, RequestState
from connectors.kubernetes import KubernetesCluster
from inventory.models import Secret, Workload
from sandbox.stack import Endpoints
from tests.actions.test_rotation import (
    at_step,
    dies_at_every_end,
    evidence_of,
    restarted,
    rotates,
    work_off_with_new_workers,
)
from tests.characters import People, Shop, fresh, work_off
from tests.cluster import Namespace, made_namespace, workload
from tests.safe import Database, Safe, made_database, made_safe

pytestmark = pytest.mark.usefixtures("in_a_hurry")


@pytest.fixture(scope="module")
def there(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(
            *(workload(name, replicas=1, behaviour="image-gone") for name in ("fragile", "brittle")),
            workload("reader", replicas=1),
        )
        for name in ("reader", "fragile", "brittle"):
            made.roll_out("deployment", name)
        yield made


@pytest.fixture(scope="module")
def orders(endpoints: Endpoints) -> Iterator[Database]:
    with made_database(endpoints) as made:
        yield made


@pytest.fixture(scope="module")
def safe(endpoints: Endpoints) -> Iterator[Safe]:
    with made_safe(endpoints) as made:
        yield made


@pytest.fixture
def shop(people: People, cluster: KubernetesCluster, there: Namespace) -> Shop:
    return Shop(cluster, there)


@pytest.fixture
def reader(shop: Shop) -> Workload:
    return shop.knows("reader", environment=shop.staging)


@pytest.fixture
def static(safe: Safe, orders: Database, shop: Shop, reader: Workload) -> Secret:
    return safe.row("static-role", "database", orders.name, (reader,), shop.staging)


@pytest.fixture
def dynamic(safe: Safe, orders: Database, shop: Shop, reader: Workload) -> Secret:
    return safe.row("dynamic-role", "database", f"{orders.name}-reader", (reader,), shop.staging)


def test_of_a_static_role_only_the_new_password_logs_in(
    people: People, static: Secret, orders: Database, there: Namespace
) -> None:
    old = orders.present()["password"]
    assert orders.opens(orders.user, old)

    run = work_off(rotates(people, static, order="together"))

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert not orders.opens(orders.user, old)
    assert orders.opens(orders.user, orders.present()["password"])
    assert restarted(there, "reader") == run.stamp
    said = evidence_of(run)
    assert f"{orders.user} logs in" in said["new one"]
    assert f"refuses {orders.user}" in said["old one"]


def test_a_worker_may_die_at_the_end_of_every_step_and_the_password_changes_once(
    people: People, static: Secret, orders: Database, safe: Safe, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = f"database/rotate-role/{orders.name}"
    request, before = rotates(people, static), len(safe.vault.requests(asked))
    died = dies_at_every_end(monkeypatch)

    run = work_off_with_new_workers(request)

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert died == [entry.step for entry in run.journal.filter(phase="apply")]
    assert len(safe.vault.requests(asked)) == before + 1
    assert "Not tried" in evidence_of(run)["old one"]


def test_a_password_that_was_changed_meanwhile_makes_the_request_stale(
    people: People, static: Secret, orders: Database, safe: Safe
) -> None:
    request = rotates(people, static)
    safe.vault.root.secrets.database.rotate_static_role_credentials(orders.name)
    now = orders.present()["password"]

    run = work_off(request)

    assert (run.state, fresh(request).state) == (ExecutionState.CANCELLED, RequestState.STALE)
    assert orders.present()["password"] == now


def test_what_cannot_be_put_back_is_said_before_and_a_person_is_asked_after(
    safe: Safe, shop: Shop, people: People, orders: Database
) -> None:
    fragile = shop.knows("fragile", environment=shop.staging)
    request = rotates(people, safe.row("static-role", "database", orders.name, (fragile,), shop.staging))
    assert "cannot be put back" in request.plan_text

    run = work_off(request)

    assert run.state == ExecutionState.NEEDS_HUMAN, run.cause
    assert "image cannot be pulled" in run.cause
    assert "The database knows only the new password" in run.cause


@pytest.mark.parametrize("ahead", [timedelta(minutes=-5), timedelta(minutes=5)], ids=["clock behind", "clock ahead"])
def test_of_a_dynamic_role_the_users_of_before_are_gone_with_their_sessions(
    people: People,
    dynamic: Secret,
    orders: Database,
    there: Namespace,
    monkeypatch: pytest.MonkeyPatch,
    ahead: timedelta,
) -> None:
    """Whatever the clock of the portal says: what was given out when readers restarted stays."""
    orders.vault.root.sys.revoke_prefix(f"database/creds/{orders.name}-reader")
    old = orders.lease()["data"]
    session = orders.session(old["username"], old["password"])
    request = rotates(people, dynamic)
    Execution.objects.filter(request=request).update(stamp=(timezone.now() + ahead).isoformat(timespec="seconds"))
    given: list[dict[str, Any]] = []
    at_step(monkeypatch, "note", lambda: given.append(orders.lease()["data"]))

    run = work_off(request)

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    with pytest.raises(psycopg.OperationalError):
        session.execute("SELECT 1")
    assert not orders.opens(old["username"], old["password"])
    assert [orders.opens(new["username"], new["password"]) for new in given] == [True]
    assert restarted(there, "reader") == run.stamp
    said: dict[str, Any] = evidence_of(run)
    assert (said["leases revoked"], said["database users dropped"], said["their sessions"]) == (1, 1, "none goes on")


def test_leases_are_not_ended_when_a_reader_does_not_come_up(
    safe: Safe, shop: Shop, people: People, orders: Database, there: Namespace
) -> None:
    brittle = shop.knows("brittle", environment=shop.staging)
    before = there.get("deployment", "brittle")["spec"]["template"]
    old = orders.lease()["data"]
    request = rotates(people, safe.row("dynamic-role", "database", f"{orders.name}-reader", (brittle,), shop.staging))

    run = work_off(request)

    assert run.state == ExecutionState.REVERTED, run.cause
    assert orders.opens(old["username"], old["password"])
    assert there.get("deployment", "brittle")["spec"]["template"] == before


def test_sessions_that_outlive_their_user_are_found_out(
    people: People, dynamic: Secret, orders: Database, safe: Safe
) -> None:
    """The role's revocation drops the user only, as Vault's own default does."""
    role = safe.vault.root.secrets.database
    made = role.read_role(f"{orders.name}-reader")["data"]
    role.create_role(
        f"{orders.name}-reader", orders.name, made["creation_statements"], revocation_statements=['DROP ROLE IF EXISTS "{{name}}"']
    )  # fmt: skip
    old = orders.lease()["data"]
    with orders.session(old["username"], old["password"]):
        run = work_off(rotates(people, dynamic))

    assert run.state == ExecutionState.NEEDS_HUMAN, run.cause
    assert "1 sessions of dropped users go on" in run.cause
