"""A value is typed in once and is nowhere but in the vault; a generated one is not even seen."""

import logging
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from django.db import connections
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from actions.models import Request
from actions.states import ExecutionState
from audit import export
from audit.queries import Filter
from connectors.kubernetes import KubernetesCluster
from inventory.models import Secret
from portal.database import tables_of_ours
from sandbox.stack import Endpoints
from tests.characters import People, Shop, asks, fresh, work_off
from tests.cluster import Namespace, made_namespace, workload
from tests.portal.web.conftest import SignedIn
from tests.safe import Safe, made_safe

TYPED = "canary-typed-in-4711\nsecond-line-4712"


@pytest.fixture(scope="module")
def safe(endpoints: Endpoints) -> Iterator[Safe]:
    with made_safe(endpoints) as made:
        yield made


@pytest.fixture(scope="module")
def there(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("reader", replicas=1))
        made.roll_out("deployment", "reader")
        yield made


@pytest.fixture
def shop(people: People, cluster: KubernetesCluster, there: Namespace, settings: Settings) -> Shop:
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 0})
    return Shop(cluster, there)


@pytest.fixture
def secret(safe: Safe, shop: Shop) -> Secret:
    reader = shop.knows("reader", environment=shop.staging)
    value = {"key": "canary-old-4713", "note": "canary-kept-4714"}
    return safe.kv("page", value, reader, environment=shop.staging)


@pytest.fixture
def waiting(people: People, secret: Secret) -> Request:
    return asks(people.mira, "rotate-secret", secret, keys="key", source="supply")


def address(request: Request) -> str:
    return reverse("request-supply", args=[request.pk])


def test_no_value_is_anywhere_but_in_the_vault(
    people: People, secret: Secret, safe: Safe, waiting: Request, signed_in: SignedIn, endpoints: Endpoints,
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    caplog.set_level(logging.DEBUG)
    browser, pages = signed_in(people.mira), []
    pages.append(browser.get(address(waiting)))
    pages.append(browser.post(address(waiting), {"value-key": "x" * 10_001 + TYPED}))
    assert (pages[-1].status_code, "At most 10000 characters." in pages[-1].content.decode()) == (422, True)
    assert "no-store" in pages[-1]["Cache-Control"]
    pages.append(browser.post(address(waiting), {"value-key": TYPED.replace("\n", "\r\n")}))
    assert pages[-1]["Location"] == reverse("request", args=[waiting.pk])
    assert work_off(waiting).state == ExecutionState.SUCCEEDED
    assert safe.vault.value(secret.path) == {"key": TYPED, "note": "canary-kept-4714"}

    generated = asks(people.mira, "rotate-secret", secret)
    assert work_off(generated).state == ExecutionState.SUCCEEDED

    made = safe.vault.value(secret.path)
    values = [*TYPED.split("\n"), "canary-old-4713", "canary-kept-4714", *made.values()]
    pages += seen_by(browser, waiting, generated)
    said = capfd.readouterr()
    places = {
        "pages": "".join(page.content.decode() + str(page.headers) for page in pages),
        "database": "".join(database()),
        "valkey": valkey(endpoints),
        "export": b"".join(chunk for kind in ("jsonl", "csv") for chunk in export.chunks(Filter(), kind)).decode(),  # type: ignore[arg-type]  # both are formats
        "logs": "".join(repr(vars(record)) for record in caplog.records),
        "output": said.out + said.err,
    }
    assert all(places[place] for place in ("pages", "database", "export"))
    assert {(place, value) for place, text in places.items() for value in values if value in text} == set()


def seen_by(browser: Client, *requests: Request) -> list[Any]:
    names = [(name, request) for request in requests for name in ("request", "request-events", "request-live")]
    return [browser.get(reverse(name, args=[request.pk])) for name, request in names] + [browser.get(reverse("home"))]


def database() -> Iterator[str]:
    """Every row of every table, as the server writes it out."""
    with connections["owner"].cursor() as cursor:
        for table in tables_of_ours():
            cursor.execute(f'SELECT t::text FROM "{table}" AS t')  # noqa: S608  (names of our own tables)
            yield from (text for (text,) in cursor.fetchall())


def valkey(endpoints: Endpoints) -> str:
    client = redis.Redis.from_url(endpoints.valkey_url)
    return "".join(repr((key, client.dump(key))) for key in client.scan_iter())


def test_only_who_asked_or_owns_it_gets_the_form(people: People, waiting: Request, signed_in: SignedIn) -> None:
    assert signed_in(people.leila).get(address(waiting)).status_code == 404
    assert signed_in(people.edda).get(address(waiting))["Location"] == reverse("request", args=[waiting.pk])
    assert signed_in(people.jonas).get(address(waiting)).status_code == 200
    assert address(waiting) in signed_in(people.mira).get(reverse("request", args=[waiting.pk])).content.decode()


def test_an_empty_value_is_refused_and_the_run_goes_on_waiting(
    people: People, waiting: Request, signed_in: SignedIn
) -> None:
    answer = signed_in(people.mira).post(address(waiting), {"value-key": ""})

    assert (answer.status_code, "Fill it in." in answer.content.decode()) == (422, True)
    assert fresh(waiting).execution.waits_for == "value"


def test_a_second_value_comes_too_late(people: People, waiting: Request, signed_in: SignedIn) -> None:
    browser = signed_in(people.mira)
    browser.post(address(waiting), {"value-key": "first"})

    answer = browser.post(address(waiting), {"value-key": "second"})
    assert (answer.status_code, "handed in already" in answer.content.decode()) == (409, True)
    assert browser.get(address(waiting))["Location"] == reverse("request", args=[waiting.pk])
