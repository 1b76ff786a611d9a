"""Callers: somebody's browser session, somebody's script with a token, nobody."""

from collections.abc import Callable

import pytest
from rest_framework.test import APIClient

from inventory.models import Person, Workload
from portal.api.tokens import issue
from portal.models import Scope
from tests.characters import People
from tests.portal.api.rows import make_workload

Caller = Callable[..., APIClient]


@pytest.fixture
def session() -> Caller:
    def signed_in(person: Person, **options: bool) -> APIClient:
        client = APIClient(**options)
        client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
        return client

    return signed_in


@pytest.fixture
def script() -> Caller:
    """`script(person, "read", "request")`; without scopes it has all of them."""

    def with_token(person: Person, *scopes: str) -> APIClient:
        _, text = issue(actor=person, name="a script", scopes=scopes or Scope.values, days=1)
        client = APIClient()
        client.credentials(HTTP_AUTHORIZATION=f"Bearer {text}")
        return client

    return with_token


@pytest.fixture
def nobody() -> APIClient:
    return APIClient()


@pytest.fixture
def ghost(people: People) -> Workload:
    """A workload of payments that the inventory knows and no cluster has: for everything that ends before a plan does."""
    return make_workload("ledger", "payments")
