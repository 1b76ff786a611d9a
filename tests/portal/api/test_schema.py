"""The description of the API is valid, complete, and typed by the actions there are."""

from io import StringIO
from typing import Any

import pytest
import yaml
from django.core.management import call_command
from rest_framework.test import APIClient

from actions.registry import all_actions


@pytest.fixture(scope="module")
def described() -> dict[str, Any]:
    out = StringIO()
    call_command("spectacular", "--validate", "--fail-on-warn", stdout=out)
    schema: dict[str, Any] = yaml.safe_load(out.getvalue())
    return schema


def operations(described: dict[str, Any]) -> list[dict[str, Any]]:
    return [operation for path in described["paths"].values() for operation in path.values()]


def test_the_description_is_valid_and_nothing_had_to_be_guessed(described: dict[str, Any]) -> None:
    assert described["openapi"] == "3.1.1"
    names = [operation["operationId"] for operation in operations(described)]
    assert len(names) == len(set(names)) >= 26


def test_each_action_brings_its_own_parameters(described: dict[str, Any]) -> None:
    body = described["components"]["schemas"]["SubmissionRequest"]
    assert set(body["discriminator"]["mapping"]) == {action.id for action in all_actions()}
    for action in all_actions():
        assert f"/api/actions/{action.id}/preview" in described["paths"]
    resize = described["components"]["schemas"]["ResizeParams"]["properties"]
    assert resize["replicas"]["anyOf"][0]["maximum"] == 1000


def test_every_operation_says_that_it_may_answer_with_a_problem(described: dict[str, Any]) -> None:
    for operation in operations(described):
        assert list(operation["responses"]["default"]["content"]) == ["application/problem+json"]


def test_every_operation_takes_a_token_or_a_session(described: dict[str, Any]) -> None:
    assert all({"token": []} in operation["security"] for operation in operations(described))


@pytest.mark.parametrize(
    ("query", "accept", "kind"),
    [
        ("", "*/*", "application/vnd.oai.openapi"), ("", "application/yaml", "application/yaml"),
        ("", "application/json", "application/json"), ("?format=json", "*/*", "application/vnd.oai.openapi+json"),
    ],
)  # fmt: skip
def test_the_description_is_served_to_everybody(database: None, query: str, accept: str, kind: str) -> None:
    answer = APIClient().get(f"/api/schema{query}", headers={"Accept": accept})
    assert (answer.status_code, answer["Content-Type"]) == (200, kind)
    assert yaml.safe_load(answer.content)["info"]["title"] == "Afterdeck"


def test_what_is_wrong_with_a_call_for_the_description_is_a_problem(database: None) -> None:
    client = APIClient()
    answers = [client.post("/api/schema"), client.get("/api/schema", headers={"Accept": "image/png"})]
    assert [(each.status_code, each["Content-Type"]) for each in answers] == [
        (405, "application/problem+json"), (406, "application/problem+json"),
    ]  # fmt: skip
