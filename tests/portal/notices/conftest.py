"""A portal whose ways out lead to servers on loopback, and a request that waits for Jonas and Ines."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from django.db import transaction
from pytest_django import Settings

from actions import lifecycle
from actions.models import Request
from audit import writer
from audit.events import SYSTEM, Actor, ActorKind, Event
from audit.models import EventRow
from inventory.models import Person
from portal.configuration import SlackSettings, SmtpSettings
from portal.notices.delivering import deliver
from portal.notices.following import follow
from portal.notices.models import Follower, Notice
from tests.characters import People
from tests.cluster import eventually
from tests.portal.api.rows import make_request, make_workload
from tests.portal.notices.outside import MailServer, WebServer, serving
from tests.portal.web.conftest import signed_in

__all__ = ["signed_in"]


@dataclass(frozen=True)
class Outside:
    """`hook` takes webhooks, `slack` answers as Slack does, `secret` is what Slack signs with."""

    mail: MailServer
    hook: WebServer
    slack: WebServer
    secret: str = "the-signing-secret-of-the-tests"


@pytest.fixture
def outside(settings: Settings, tmp_path: Path) -> Iterator[Outside]:
    found = Outside(MailServer(), WebServer(), WebServer())
    (tmp_path / "token").write_text("xoxb-of-the-tests\n")
    (tmp_path / "secret").write_text(found.secret)
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(
        update={
            "smtp": SmtpSettings(host="127.0.0.1", port=found.mail.port, encryption="none", sender="afterdeck@example.com"),
            "slack": SlackSettings(
                bot_token_file=tmp_path / "token", signing_secret_file=tmp_path / "secret", api=f"{found.slack.url}/api/"
            ),
            "webhook_hosts": ["hooks.example.com"],
            "webhook_private_hosts": [f"127.0.0.1:{found.hook.port}"],
        }
    )  # fmt: skip
    with serving(found.mail), serving(found.hook), serving(found.slack):
        yield found


@pytest.fixture
def followed(people: People) -> People:
    """From here on the record is followed. Everybody has an e-mail address."""
    for person in vars(people).values():
        person.email = f"{person.username}@example.com"
        person.save(update_fields=["email"])
    follow()
    return people


@pytest.fixture
def waits(followed: People) -> Request:
    request = make_request(make_workload("checkout", "payments"), followed)
    Request.objects.filter(pk=request.pk).update(summary="Restart checkout")
    request.summary = "Restart checkout"
    return request


def happens(request: Request, verb: str, *, by: Person | None = None, times: int = 1, summary: str = "s") -> None:
    """What the gate writes, without what else it does."""
    actor = Actor(ActorKind.PERSON, by.username, by.pk) if by else SYSTEM
    with transaction.atomic():
        writer.record(*[Event(verb, actor, summary, lifecycle.about(request), {"note": "hidden reason"})] * times)


def told() -> list[Notice]:
    """Everything there is to tell, told. Transactions of others on the same server may hold it up."""
    last = EventRow.objects.order_by("-id").values_list("id", flat=True).first() or 0
    eventually(lambda: _followed_to(last))
    return list(Notice.objects.order_by("pk"))


def _followed_to(event_id: int) -> bool:
    follow()
    return Follower.objects.get().event_id >= event_id


def everything_sent() -> None:
    told()
    deliver()
