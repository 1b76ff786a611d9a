"""What somebody sees when something is wrong: what happened, and what to do next."""

import pytest
from django.test import Client, RequestFactory

from portal.web import errors
from tests.characters import People
from tests.portal.web.conftest import SignedIn, Town


def test_an_address_that_is_not_there_says_what_to_do(people: People, signed_in: SignedIn) -> None:
    answer = signed_in(people.mira).get("/nowhere")
    assert answer.status_code == 404
    assert "Search with Ctrl K" in answer.content.decode()


def test_a_fragment_gets_a_box_and_not_a_page(people: People, signed_in: SignedIn, town: Town) -> None:
    answer = signed_in(people.mira).get("/fragments/services/nothing/live", headers={"HX-Request": "true"})
    assert answer.status_code == 404
    assert "<html" not in answer.content.decode()
    assert "There is nothing here that you can see" in answer.content.decode()


def test_a_form_that_is_too_old_changes_nothing_and_says_so(people: People) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(people.mira, backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post("/profile", {"time_zone": "Asia/Tokyo"})
    assert answer.status_code == 403
    assert "This form was too old to be trusted" in answer.content.decode()
    people.mira.refresh_from_db()
    assert people.mira.time_zone == "UTC"


@pytest.mark.parametrize("fragment", [True, False])
def test_our_own_mistake_is_told_without_asking_the_database(fragment: bool) -> None:
    headers = {"HX-Request": "true"} if fragment else {}
    answer = errors.server_error(RequestFactory().get("/", headers=headers))
    assert answer.status_code == 500
    assert "Afterdeck made a mistake" in answer.content.decode()
    assert ("<html" in answer.content.decode()) is not fragment


@pytest.mark.parametrize("path", ["/", "/services", "/profile", "/sign-in", "/nowhere"])
def test_every_page_runs_under_a_policy_without_inline_code(people: People, signed_in: SignedIn, path: str) -> None:
    answer = signed_in(people.mira).get(path) if path != "/sign-in" else Client().get(path)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    page = answer.content.decode()
    assert " style=" not in page
    assert "<script>" not in page
    assert " onclick=" not in page
