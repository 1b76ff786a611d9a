"""A worker that is killed with a message in hand: the next one sends it, and nobody is told twice."""

import json
from collections.abc import Iterator

import pytest
from django.utils import timezone

from actions.models import Request
from inventory.models import Person
from portal.notices.models import Delivery, Follower, Notice
from tests.characters import People
from tests.cluster import eventually
from tests.crash.conftest import Hire
from tests.portal.api.rows import make_request, make_workload
from tests.portal.notices.conftest import happens
from tests.portal.notices.outside import MailServer, serving


@pytest.fixture
def mail() -> Iterator[MailServer]:
    server = MailServer()
    with serving(server):
        yield server


@pytest.fixture
def waits(people: People) -> Request:
    Person.objects.filter(pk=people.jonas.pk).update(email="jonas@example.com")
    return make_request(make_workload("checkout", "payments"), people)


def test_a_message_outlives_the_worker_that_had_it_in_hand(
    hire: Hire, people: People, waits: Request, mail: MailServer
) -> None:
    smtp = {"host": "127.0.0.1", "port": mail.port, "encryption": "none", "sender": "afterdeck@example.com"}
    mail.going.clear()
    worker = hire(AFTERDECK_SMTP=json.dumps(smtp))
    eventually(Follower.objects.exists, 60)
    happens(waits, "request.submitted", by=people.mira)
    assert mail.asked.wait(60)
    worker.kill()
    mail.going.set()
    assert Delivery.objects.get().stage == Delivery.Stage.SENDING
    Delivery.objects.update(due_at=timezone.now())  # its time in hand is over
    worker.start_again()
    eventually(lambda: Delivery.objects.get().stage == Delivery.Stage.SENT, 60)
    assert [str(each["To"]) for each in mail.messages] == ["jonas@example.com"]
    assert Notice.objects.filter(person=people.jonas).count() == 1
