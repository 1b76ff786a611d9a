"""The whole portal is killed, and access ends on time all the same; when it is back, the record says so."""

import hvac
import psycopg

from actions.models import Grant, Request
from actions.states import ExecutionState, GrantState
from inventory.models import Secret
from sandbox.stack import Endpoints
from tests.actions.test_vault_access import READS, SESSION, asks, lasts, login, reads, secret
from tests.characters import People, Shop, ended
from tests.cluster import eventually
from tests.crash.conftest import Hire
from tests.crash.portal import Web
from tests.vault import Vault

LASTS = 8
"""Seconds: long enough to fetch two credentials on a busy machine."""


def granted(request: Request) -> Grant:
    run = ended(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    return Grant.objects.get(request=request)


def test_access_ends_on_time_although_the_whole_portal_was_killed(
    hire: Hire, web: Web, shop: Shop, people: People, endpoints: Endpoints
) -> None:
    bao, worker = Vault(endpoints), hire()
    path = granted(asks(people, "get-vault-access", secret(shop, "secret", SESSION, Secret.Kind.KV2), policy=READS))
    role = secret(shop, "database", "orders-readonly", Secret.Kind.DYNAMIC_ROLE)
    database = granted(asks(people, "get-database-access", role))
    eventually(lambda: web.answers)
    for grant in (path, database):
        lasts(grant, LASTS)
    token, credential = (
        hvac.Client(url=bao.address, token=web.credential(grant.pk)).sys.unwrap()["data"] for grant in (path, database)
    )
    assert reads(bao, token["token"])
    session = login(credential)
    worker.kill()
    web.kill()

    def over() -> bool:
        try:
            session.execute("SELECT 1")
        except psycopg.OperationalError:
            return not reads(bao, token["token"]) and not opens(credential)
        return False

    eventually(over, LASTS + 15)
    assert set(Grant.objects.values_list("state", flat=True)) == {GrantState.ACTIVE}  # nobody was there to say so
    hire()
    eventually(lambda: set(Grant.objects.values_list("state", flat=True)) == {GrantState.ENDED}, 60)


def opens(credential: dict[str, str]) -> bool:
    try:
        login(credential).close()
    except psycopg.OperationalError:
        return False
    return True
