"""Signing in, out, and not at all: what the page says, what the record says."""

from datetime import timedelta

import pytest
from axes.models import AccessAttempt, AccessFailureLog, AccessLog
from django.test import Client
from django.utils import timezone

from audit.models import EventRow
from portal.tasks import forget
from tests.characters import People


def sign_in(client: Client, username: str, password: str, **more: str):
    return client.post("/sign-in", {"username": username, "password": password, **more})


def test_signing_in_is_on_the_record(people: People, client: Client) -> None:
    answer = sign_in(client, "mira", "mira-password-1", next="/services")
    assert answer.headers["Location"] == "/services"
    assert list(EventRow.objects.values_list("verb", "actor")) == [("session.started", "mira")]


@pytest.mark.parametrize("elsewhere", ["https://evil.example.com/", "//evil.example.com", "javascript:alert(1)"])
def test_nobody_is_sent_elsewhere_after_signing_in(people: People, client: Client, elsewhere: str) -> None:
    assert sign_in(client, "mira", "mira-password-1", next=elsewhere).headers["Location"] == "/"


def test_a_name_is_recorded_only_when_there_is_such_an_account(people: People, client: Client) -> None:
    assert sign_in(client, "mira", "wrong").status_code == 422
    assert sign_in(client, "hunter2-my-password", "mira").status_code == 422
    assert list(EventRow.objects.order_by("id").values_list("summary", flat=True)) == [
        "wrong name or password, for mira",
        "wrong name or password, for an account that does not exist",
    ]


def test_guessing_is_stopped_and_the_page_says_for_how_long(people: People, client: Client) -> None:
    answers = [sign_in(client, "mira", f"guess-{number}") for number in range(11)]
    assert answers[-1].status_code == 429
    assert "for 5 min" in answers[-1].content.decode()
    assert sign_in(client, "mira", "mira-password-1").status_code == 429


def test_a_password_in_the_field_for_the_name_is_kept_nowhere(people: People, client: Client) -> None:
    answers = [sign_in(client, "my-secret-Passw0rd!", "mira") for _ in range(11)]
    rows = [row for table in (AccessAttempt, AccessFailureLog, AccessLog) for row in table.objects.values()]
    assert rows
    assert "Passw0rd" not in repr(rows)
    assert answers[-1].status_code == 429
    assert sign_in(client, "mira", "mira-password-1").status_code == 302


def test_attempts_are_forgotten_after_a_day(people: People, client: Client) -> None:
    sign_in(client, "mira", "wrong")
    sign_in(client, "jonas", "wrong")
    AccessAttempt.objects.filter(username="mira").update(attempt_time=timezone.now() - timedelta(days=2))
    forget()
    assert list(AccessAttempt.objects.values_list("username", flat=True)) == ["jonas"]


@pytest.mark.parametrize("username", ["", "\x00", "x" * 5000, "﻿mira"])
def test_odd_names_are_refused_like_any_other(people: People, client: Client, username: str) -> None:
    assert sign_in(client, username, "mira-password-1").status_code == 422


def test_signing_out_takes_a_post(people: People, client: Client) -> None:
    sign_in(client, "mira", "mira-password-1")
    assert client.get("/sign-out").status_code == 405
    assert client.post("/sign-out").headers["Location"] == "/sign-in"
    assert client.get("/").headers["Location"] == "/sign-in?next=%2F"
