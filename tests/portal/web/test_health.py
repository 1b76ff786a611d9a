"""What an orchestrator is told."""

import pytest
from django.test import Client, override_settings

from approvals.reading import BadPolicy
from portal.web import health


def test_a_living_process_says_so_without_a_database(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.content) == (200, b"alive\n")


def test_a_portal_that_can_work_is_ready(database: None, client: Client) -> None:
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert {name for name, check in answer.json()["checks"].items() if check["ok"]} == {
        "postgres",
        "valkey",
        "policy",
        "notices",
    }


def test_without_valkey_it_is_slower_and_still_ready(database: None, client: Client) -> None:
    with override_settings(CELERY_BROKER_URL="redis://127.0.0.1:1/0"):
        answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"]["valkey"]["ok"] is False
    assert "nothing is lost" in answer.json()["checks"]["valkey"]["reason"]


def test_with_a_broken_policy_it_is_not_ready(database: None, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise BadPolicy("own.yaml:3: rule x: there is no fact actor.mood.")

    monkeypatch.setattr(health, "current_policy", broken)
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert "own.yaml:3" in answer.json()["checks"]["policy"]["reason"]
