"""Every operation of the API, called with what its schema allows and with what it does not: no 500, and every answer as described."""

from typing import Any

import pytest
import schemathesis
from django.core.wsgi import get_wsgi_application
from django.test import Client
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.characters import People
from tests.portal.api.rows import make_request, make_workload

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance, negative_data_rejection,
]  # fmt: skip
CSRF = "c" * 32
THERE = {"id": 1, "workload": 1, "slug": "ledger", "action": "restart-workload"}

description = SchemaGenerator().get_schema(request=None, public=True)
for _operation in (each for path in description["paths"].values() for each in path.values()):
    del _operation["security"]  # else it makes up tokens of its own, and every answer is a 401
api = schemathesis.openapi.from_dict(description)
api.app = get_wsgi_application()


@api.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> dict[str, Any] | None:
    """Every other address is one where something is; a number nobody has is refused too early to be of interest."""
    for name, there in THERE.items():
        value = (path_parameters or {}).get(name)
        if isinstance(value, type(there)) and (value > 0 if isinstance(value, int) else value) and hash(value) % 2:
            path_parameters = {**(path_parameters or {}), name: there}
    return path_parameters


@api.hook
def map_body(context: Any, body: Any) -> Any:
    target = body.get("target") if isinstance(body, dict) else None
    return body | {"target": 1} if type(target) is int and target > 0 and target % 2 else body


@pytest.fixture
def caller(people: People) -> dict[str, str]:
    make_request(make_workload("ledger", "payments"), people)
    browser = Client()
    browser.force_login(people.mira, backend="django.contrib.auth.backends.ModelBackend")
    return {name: morsel.value for name, morsel in browser.cookies.items()} | {"afterdeck_csrf": CSRF}


@api.parametrize()
@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
def test_every_operation_answers_as_described(case: Any, caller: dict[str, str]) -> None:
    answer = case.call_and_validate(headers={"X-CSRFToken": CSRF}, cookies=caller, checks=CHECKS)
    assert answer.status_code not in (401, 403) or answer.json()["code"] in ("vote-refused", "not-allowed")
