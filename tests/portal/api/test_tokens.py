"""A token is shown once, kept as a hash, works until it does not, and cannot make another."""

import re
from datetime import timedelta
from hashlib import sha256
from typing import Any

import pytest
from django.utils import timezone
from rest_framework.test import APIClient

from audit import queries
from audit.models import EventRow
from portal.api.tokens import MAX_ALIVE, issue
from portal.models import ApiToken
from tests.characters import People
from tests.portal.api.conftest import Caller

WANTED = {"name": "deploy bot", "scopes": ["read", "request"], "days": 7}


def events(verb: str) -> list[EventRow]:
    return list(queries.events(queries.Filter(verb=verb)))


def with_header(header: str) -> APIClient:
    client = APIClient()
    client.credentials(HTTP_AUTHORIZATION=header)
    return client


def test_a_token_is_shown_once_and_kept_as_a_hash(people: People, session: Caller) -> None:
    client = session(people.mira)
    made = client.post("/api/tokens", WANTED, format="json")
    text = made.json()["token"]
    row = ApiToken.objects.get()

    assert made.status_code == 201
    assert re.fullmatch(r"afd_[A-Za-z0-9_-]{43}", text)
    assert row.digest == sha256(text.encode()).hexdigest()
    assert made["Cache-Control"] == "no-store"
    assert text not in client.get("/api/tokens").content.decode()
    assert all(text not in str(values) for values in [*ApiToken.objects.values_list(), *EventRow.objects.values_list()])


def test_a_token_acts_as_its_person_and_remembers_when(people: People, script: Caller) -> None:
    me = script(people.mira, "read").get("/api/me").json()
    assert (me["username"], me["teams"][0]["slug"], me["token"]["scopes"]) == ("mira", "payments", ["read"])
    assert ApiToken.objects.get().last_used_at is not None


def test_making_and_revoking_is_on_record(people: People, session: Caller) -> None:
    client = session(people.mira)
    made = client.post("/api/tokens", WANTED, format="json").json()
    revoked = client.delete(f"/api/tokens/{made['id']}")
    again = client.delete(f"/api/tokens/{made['id']}")
    bearer = with_header(f"Bearer {made['token']}")

    assert revoked.json()["revoked_at"] == again.json()["revoked_at"] is not None
    assert [(row.actor, row.summary) for row in events("token.created")] == [
        ("mira", "deploy bot: read, request, 7 days")
    ]
    assert [(row.actor, row.summary) for row in events("token.revoked")] == [("mira", "deploy bot")]
    assert bearer.get("/api/me").status_code == 401


def change(token: ApiToken, **fields: Any) -> None:
    ApiToken.objects.filter(pk=token.pk).update(**fields)


@pytest.mark.parametrize("end", ["expired", "revoked", "closed account"])
def test_a_token_that_has_ended_is_refused_with_a_challenge(people: People, end: str) -> None:
    token, text = issue(actor=people.mira, name="old", scopes=["read"], days=1)
    client, now = with_header(f"Bearer {text}"), timezone.now()
    assert client.get("/api/me").status_code == 200
    if end == "expired":
        change(token, expires_at=now)
    elif end == "revoked":
        change(token, revoked_at=now)
    else:
        people.mira.is_active = False
        people.mira.save()
    answer = client.get("/api/me")
    assert (answer.status_code, answer.json()["code"]) == (401, "authentication-failed")
    assert answer["WWW-Authenticate"] == 'Bearer realm="afterdeck", error="invalid_token"'


LOOKALIKES = (
    "Bearer", "Bearer ", "Bearer afd_", "Bearer null", "Bearer {text}x", "Bearer {text} {text}", "bearer afd_{flipped}",
    "Bearer {text}\n", "Bearer afd_" + "A" * 43, "Bearer " + "a" * 100_000, "Bearer afd_\u0430" + "A" * 42,
)  # fmt: skip


def test_what_only_looks_like_a_token_is_refused(people: People) -> None:
    _, text = issue(actor=people.mira, name="real", scopes=["read"], days=1)
    flipped = text[4:-1] + ("A" if text[-1] != "A" else "B")
    for header in LOOKALIKES:
        answer = with_header(header.format(text=text, flipped=flipped)).get("/api/me")
        assert answer.status_code == 401, header[:40]


def test_the_digest_is_not_a_key(people: People) -> None:
    token, _ = issue(actor=people.mira, name="real", scopes=["read"], days=1)
    assert with_header(f"Bearer {token.digest}").get("/api/me").status_code == 401
    assert with_header(f"Bearer {token.hint}").get("/api/me").status_code == 401


def test_a_broken_token_is_not_forgiven_for_a_good_session(people: People, session: Caller) -> None:
    client = session(people.mira)
    client.credentials(HTTP_AUTHORIZATION="Bearer afd_" + "A" * 43)
    assert client.get("/api/me").status_code == 401


@pytest.mark.parametrize(("method", "path"), [("get", ""), ("post", ""), ("delete", "/{id}")])
def test_a_token_cannot_see_make_or_revoke_tokens(people: People, script: Caller, method: str, path: str) -> None:
    client = script(people.mira)
    mine = ApiToken.objects.get()
    answer = getattr(client, method)("/api/tokens" + path.format(id=mine.pk), WANTED, format="json")
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient-scope")
    assert ApiToken.objects.filter(revoked_at=None).count() == 1
    assert len(events("access.refused")) == 1


def test_somebody_elses_token_cannot_be_revoked(people: People, session: Caller) -> None:
    token, _ = issue(actor=people.mira, name="hers", scopes=["read"], days=1)
    for other in (people.jonas, people.kofi):
        assert session(other).delete(f"/api/tokens/{token.pk}").status_code == 404
    assert ApiToken.objects.get().revoked_at is None


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"), ({"name": "   "}, "name"), ({"name": "x" * 101}, "name"), ({"name": 1}, "name"),
        ({"scopes": []}, "scopes"), ({"scopes": ["root"]}, "scopes.0"), ({"scopes": "read"}, "scopes"),
        ({"days": 0}, "days"), ({"days": 91}, "days"), ({"days": 7.0}, "days"), ({"days": "7"}, "days"), ({"days": True}, "days"),
        ({"person": 1}, "person"), ({"expires_at": "2999-01-01T00:00:00Z"}, "expires_at"),
    ],
)  # fmt: skip
def test_a_wrong_token_is_refused_by_field(people: People, session: Caller, change: dict[str, Any], field: str) -> None:
    answer = session(people.mira).post("/api/tokens", WANTED | change, format="json")
    assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])
    assert not ApiToken.objects.exists()


def test_there_is_a_limit_to_tokens(people: People, session: Caller) -> None:
    for number in range(MAX_ALIVE):
        issue(actor=people.mira, name=f"{number}", scopes=["read"], days=1)
    refused = session(people.mira).post("/api/tokens", WANTED, format="json")
    assert (refused.status_code, list(refused.json()["errors"])) == (422, ["name"])
    ApiToken.objects.filter(name="0").update(revoked_at=timezone.now() - timedelta(days=1))
    assert session(people.mira).post("/api/tokens", WANTED, format="json").status_code == 201
