"""A person's tokens in the browser: shown once, listed without their text, taken back."""

import re

from rest_framework.test import APIClient

from portal.models import ApiToken
from tests.characters import People
from tests.portal.web.conftest import SignedIn

TOKEN = re.compile(r"afd_[A-Za-z0-9_-]{43}")


def status_with(text: str) -> int:
    return int(APIClient().get("/api/me", headers={"Authorization": f"Bearer {text}"}).status_code)


def test_a_token_is_shown_once_and_works_until_it_is_revoked(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.mira)
    made = client.post("/profile/tokens", {"name": "deploy <b>", "scopes": ["read"], "days": "30"})
    (text,) = set(TOKEN.findall(made.content.decode()))
    assert (made.status_code, "no-store" in made.headers["Cache-Control"]) == (201, True)
    assert status_with(text) == 200

    page = client.get("/profile/tokens").content.decode()
    assert "deploy &lt;b&gt;" in page and not TOKEN.search(page)

    answer = client.post(f"/profile/tokens/{ApiToken.objects.get().pk}/revoke", follow=True)
    assert "Whatever uses it is refused from now on." in answer.content.decode()
    assert status_with(text) == 401


def test_what_is_wrong_is_said_beside_its_field_and_nothing_typed_is_lost(people: People, signed_in: SignedIn) -> None:
    answer = signed_in(people.mira).post("/profile/tokens", {"name": "deploy", "days": "3650"})
    page = answer.content.decode()
    assert (answer.status_code, ApiToken.objects.count()) == (422, 0)
    assert "Choose at least one." in page and "From 1 to 90 days." in page and 'value="deploy"' in page


def test_somebody_else_s_token_is_not_there(people: People, signed_in: SignedIn) -> None:
    signed_in(people.mira).post("/profile/tokens", {"name": "hers", "scopes": ["read"], "days": "7"})
    token = ApiToken.objects.get()
    for other in (people.jonas, people.kofi):
        assert "hers" not in signed_in(other).get("/profile/tokens").content.decode()
        assert signed_in(other).post(f"/profile/tokens/{token.pk}/revoke").status_code == 404
    token.refresh_from_db()
    assert token.revoked_at is None


def test_a_token_is_no_session(people: People, signed_in: SignedIn) -> None:
    made = signed_in(people.mira).post("/profile/tokens", {"name": "x", "scopes": ["read"], "days": "7"})
    text = TOKEN.findall(made.content.decode())[0]
    answer = APIClient().get("/profile/tokens", headers={"Authorization": f"Bearer {text}"})
    assert (answer.status_code, answer.headers["Location"]) == (302, "/sign-in?next=%2Fprofile%2Ftokens")
