"""Access to a vault and to a database is made when somebody is there to take it, and ends on time, with the portal or without."""

from collections.abc import Iterator
from datetime import timedelta

import hvac
import psycopg
import pytest
from django.db import DatabaseError
from django.utils import timezone

from actions import admission, grants, handover, services
from actions.errors import CannotPlanNow, TooLate
from actions.models import Execution, Grant, Request
from actions.registry import action_named
from actions.states import ExecutionState, GrantState, RequestState
from inventory.models import Secret, Service, Team, Vault
from sandbox.stack import Endpoints
from tests.canary import found_at_rest
from tests.characters import People, Shop, approves, fresh, work_off
from tests.cluster import eventually
from tests.unwritable import unwritable
from tests.vault import Vault as Bao

SESSION = "payments/checkout-api/session"
READS, WRITES = "access-checkout-read", "access-checkout-write"


@pytest.fixture
def bao(endpoints: Endpoints) -> Bao:
    return Bao(endpoints)


@pytest.fixture
def session_key(shop: Shop) -> Secret:
    return secret(shop, "secret", SESSION, Secret.Kind.KV2)


@pytest.fixture
def orders(shop: Shop) -> Secret:
    return secret(shop, "database", "orders-readonly", Secret.Kind.DYNAMIC_ROLE)


@pytest.fixture
def server(endpoints: Endpoints) -> Iterator[psycopg.Connection]:
    with psycopg.connect(endpoints.postgres_superuser_url, autocommit=True) as connected:
        yield connected


def secret(shop: Shop, mount: str, path: str, kind: Secret.Kind) -> Secret:
    vault, _ = Vault.objects.get_or_create(name="sandbox", defaults={"seen_at": timezone.now()})
    service = Service.objects.create(slug=f"shop-{kind}", name="Shop", team=Team.objects.get(slug="payments"), tier=1)
    return Secret.objects.create(
        vault=vault,
        mount=mount,
        path=path,
        kind=kind,
        service=service,
        environment=shop.staging,
        seen_at=timezone.now(),
    )


def asks(people: People, action: str, target: Secret, **params: object) -> Request:
    return services.submit(
        actor=people.mira, action=action, target=target.pk, params={"minutes": 60, **params}, reason="To look.", entrance="test"
    )  # fmt: skip


def granted(request: Request) -> Grant:
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    return Grant.objects.get(request=request)


def fetched(people: People, grant: Grant) -> dict[str, str]:
    grant.refresh_from_db()
    wrapped = handover.hand_over(actor=people.mira, grant=grant)
    return dict(handover.reveal(actor=people.mira, grant=grant, token=wrapped.token))


def lasts(grant: Grant, seconds: float) -> None:
    """Nobody wants to wait the ten minutes that a grant lasts at least."""
    Grant.objects.filter(pk=grant.pk).update(ends_at=timezone.now() + timedelta(seconds=seconds))


def swept(grant: Grant) -> bool:
    grants.end_due()
    return grant.endings.exists()


def given_back(people: People, grant: Grant) -> Execution:
    grants.give_back(actor=people.mira, grant=grant)
    return work_off(grant.endings.latest("pk"))


def reads(bao: Bao, token: str) -> bool:
    try:
        hvac.Client(url=bao.address, token=token).secrets.kv.v2.read_secret_version(
            SESSION, raise_on_deleted_version=True
        )
    except hvac.exceptions.Forbidden:
        return False
    return True


def login(credential: dict[str, str]) -> psycopg.Connection:
    return psycopg.connect(
        host=credential["host"], port=credential["port"], dbname=credential["database"], user=credential["username"],
        password=credential["password"], autocommit=True,
    )  # fmt: skip


def test_a_token_reads_the_secret_until_it_is_given_back(people: People, session_key: Secret, bao: Bao) -> None:
    request = asks(people, "get-vault-access", session_key, policy=READS)
    grant = granted(request)
    assert bao.requests("auth/token/create/afterdeck-access") == []  # nothing before somebody is there
    token = fetched(people, grant)["token"]
    assert reads(bao, token)
    grant.refresh_from_db()
    assert "read" in grant.handle["may"]
    end = given_back(people, grant)
    assert end.state == ExecutionState.SUCCEEDED, end.cause
    assert not reads(bao, token)
    grant.refresh_from_db()
    assert grant.state == GrantState.ENDED
    with pytest.raises(TooLate):
        fetched(people, grant)


def test_access_to_what_belongs_to_nobody_by_then_still_ends(people: People, session_key: Secret, bao: Bao) -> None:
    grant = granted(asks(people, "get-vault-access", session_key, policy=READS))
    token = fetched(people, grant)["token"]
    Secret.objects.filter(pk=session_key.pk).update(service=None, environment=None)  # its label went
    lasts(grant, 0)
    eventually(lambda: swept(grant))
    assert work_off(grant.endings.latest("pk")).state == ExecutionState.SUCCEEDED
    assert not reads(bao, token)


def test_what_was_agreed_of_what_belongs_to_nobody_by_then_is_stale(people: People, session_key: Secret) -> None:
    request = asks(people, "get-vault-access", session_key, policy=READS)
    Secret.objects.filter(pk=session_key.pk).update(service=None)
    assert work_off(request).state == ExecutionState.CANCELLED
    assert "belongs to no service" in fresh(request).execution.cause


def test_a_credential_that_cannot_be_recorded_is_not_opened(people: People, session_key: Secret) -> None:
    grant = granted(asks(people, "get-vault-access", session_key, policy=READS))
    wrapped = handover.hand_over(actor=people.mira, grant=grant)
    with unwritable("audit_event", ("verb",)), pytest.raises(DatabaseError):
        handover.reveal(actor=people.mira, grant=grant, token=wrapped.token)
    assert handover.reveal(actor=people.mira, grant=grant, token=wrapped.token)["token"]


def test_a_token_ends_on_time_while_the_portal_is_dead(people: People, session_key: Secret, bao: Bao) -> None:
    grant = granted(asks(people, "get-vault-access", session_key, policy=READS))
    lasts(grant, 2)
    token = fetched(people, grant)["token"]
    assert reads(bao, token)
    eventually(lambda: not reads(bao, token), 10)  # no sweeper and no worker runs here
    eventually(lambda: swept(grant))
    assert work_off(grant.endings.get()).state == ExecutionState.SUCCEEDED


def test_a_second_credential_ends_the_first(people: People, session_key: Secret, bao: Bao) -> None:
    grant = granted(asks(people, "get-vault-access", session_key, policy=READS))
    first, second = fetched(people, grant)["token"], fetched(people, grant)["token"]
    assert (reads(bao, first), reads(bao, second)) == (False, True)
    given_back(people, grant)
    assert not reads(bao, second)


def test_a_credential_made_while_the_grant_ends_is_ended_at_once(people: People, session_key: Secret, bao: Bao) -> None:
    grant = granted(asks(people, "get-vault-access", session_key, policy=READS))
    bao.root.sys.create_or_update_policy(READS, bao.root.sys.read_policy(READS)["data"]["rules"])
    stale = Grant.objects.get(pk=grant.pk)
    Grant.objects.filter(pk=grant.pk).update(ends_at=timezone.now() + timedelta(minutes=5))
    plan = admission.stored_plan(grant.request)
    world = handover._world(grant.request, plan)
    action = action_named(plan.action)
    made = action.hand_over(plan, stale.handle, stale.ends_at, world)
    with pytest.raises(TooLate, match="nobody has got it"):
        handover._keep(stale, action, plan, made, world)
    assert not reads(bao, made.value["token"])


@pytest.mark.parametrize(
    ("policy", "why"), [("access-database", "is not offered"), ("root", "is not offered"), ("", "is not offered")]
)
def test_only_what_the_secret_itself_names_is_given(people: People, session_key: Secret, policy: str, why: str) -> None:
    with pytest.raises(CannotPlanNow, match=why):
        asks(people, "get-vault-access", session_key, policy=policy)


def test_access_does_not_begin_when_the_policy_has_changed_since_it_was_agreed(
    people: People, session_key: Secret, bao: Bao, shop: Shop
) -> None:
    Secret.objects.filter(pk=session_key.pk).update(environment=shop.production)
    request = asks(people, "get-vault-access", session_key, policy=WRITES)
    approves(people.jonas, request)
    before = bao.root.sys.read_policy(WRITES)["data"]["rules"]
    bao.root.sys.create_or_update_policy(WRITES, before.replace('"update"', '"update", "delete"'))
    try:
        grants.activate(actor=people.mira, request=fresh(request))
        assert work_off(request).state == ExecutionState.CANCELLED
        assert fresh(request).state == RequestState.STALE
    finally:
        bao.root.sys.create_or_update_policy(WRITES, before)


def test_a_login_opens_the_database_until_it_is_given_back_and_its_sessions_end(
    people: People, orders: Secret, server: psycopg.Connection
) -> None:
    grant = granted(asks(people, "get-database-access", orders))
    credential = fetched(people, grant)
    grant.refresh_from_db()
    found = server.execute(
        "SELECT extract(epoch FROM valuntil) FROM pg_user WHERE usename = %s", [credential["username"]]
    )
    [until] = found.fetchone() or (0,)
    assert abs(float(until) - grant.ends_at.timestamp()) < 15
    with login(credential) as open_session:
        assert open_session.execute("SELECT count(*) FROM orders").fetchone() == (200,)
        end = given_back(people, grant)
        assert end.state == ExecutionState.SUCCEEDED, end.cause
        with pytest.raises(psycopg.OperationalError):
            open_session.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="authentication failed"):
        login(credential)
    assert (
        server.execute("SELECT FROM pg_stat_activity WHERE usename = %s", [credential["username"]]).fetchone() is None
    )


def test_a_login_is_refused_on_time_while_the_portal_is_dead(people: People, orders: Secret) -> None:
    grant = granted(asks(people, "get-database-access", orders))
    lasts(grant, 3)
    credential = fetched(people, grant)
    login(credential).close()

    def refused() -> bool:
        try:
            login(credential).close()
        except psycopg.OperationalError:
            return True
        return False

    eventually(refused, 20)


def test_longer_than_the_role_allows_cannot_be_planned(people: People, orders: Secret) -> None:
    with pytest.raises(CannotPlanNow, match="8 h at most"):
        asks(people, "get-database-access", orders, minutes=481)


def test_no_credential_is_anywhere_afterwards(
    people: People, session_key: Secret, orders: Secret, caplog: pytest.LogCaptureFixture
) -> None:
    values = []
    for action, target, params in (
        ("get-vault-access", session_key, {"policy": READS}),
        ("get-database-access", orders, {}),
    ):
        grant = granted(asks(people, action, target, **params))
        credential = fetched(people, grant)
        values.append(credential.get("token") or credential["password"])
        given_back(people, grant)
    assert found_at_rest(values) == []
    assert [value for value in values if value in caplog.text] == []


def test_whoever_dies_while_making_a_credential_leaves_what_nobody_has_and_what_ends_by_itself(
    people: People, session_key: Secret, bao: Bao
) -> None:
    grant = granted(asks(people, "get-vault-access", session_key, policy=READS))
    plan = admission.stored_plan(grant.request)
    action, world = action_named(plan.action), handover._world(grant.request, plan)
    lost = action.hand_over(
        plan, grant.handle, timezone.now() + timedelta(seconds=2), world
    )  # and nothing was written down
    second = fetched(people, grant)["token"]
    assert reads(bao, second)
    assert given_back(people, grant).state == ExecutionState.SUCCEEDED
    assert not reads(bao, second)
    eventually(lambda: not reads(bao, lost.value["token"]), 10)
