"""Where a webhook may lead, and where it may not: a name is looked up once, and what is near to us is out of reach."""

import json
import socketserver
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from threading import Event

import pytest
from standardwebhooks import Webhook

from connectors import webhook
from connectors.errors import Permanent, Transient, Unknown
from connectors.webhook import Pinned, place_of
from tests.portal.notices.outside import Answer, WebServer, serving

SECRET = "whsec_" + "c2VjcmV0IG9mIHRoZSB0ZXN0cw=="
ALLOWED = [Pinned("hooks.example.com"), Pinned("hooks.example.com:8443"), Pinned("[2001:db8::1]")]


@pytest.fixture
def receiver() -> Iterator[WebServer]:
    server = WebServer()
    with serving(server):
        yield server


def send(place: webhook.Place, body: str = "{}", *addresses: str) -> None:
    look_up = (lambda host, port: addresses) if addresses else webhook.resolve
    webhook.send(place, body=body, secret=SECRET, message="m-1", at=datetime.now(UTC), look_up=look_up)


def at(receiver: WebServer, path: str = "/hook?x=1") -> webhook.Place:
    host = f"127.0.0.1:{receiver.port}"
    return place_of(f"http://{host}{path}", [Pinned(host, private=True)])


def test_a_message_arrives_signed_as_standard_webhooks_says(receiver: WebServer) -> None:
    send(at(receiver), json.dumps({"text": "Änderung"}))
    (call,) = receiver.calls
    assert call.path == "/hook?x=1"
    assert Webhook(SECRET).verify(call.body, call.headers) == {"text": "Änderung"}
    assert call.headers["webhook-id"] == "m-1"


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/", "https://hooks.example.com:444/", "http://hooks.example.com:443/", "http://hooks.example.com:8443/",
        "https://hooks.example.com.evil.example/", "ftp://hooks.example.com/",
        "https://evil.example/#hooks.example.com", "https://hooks.example.com@evil.example/", "https://me:pw@hooks.example.com/",
        "https://evil.example\\@hooks.example.com/", "https://hooks.example.com/a\r\nX-Evil: 1", "https://hooks.example.com/\x00",
        "https://hooks.example.com:99999/", "https://[::1", "https://", "hooks.example.com", "javascript:alert(1)", "https://hooks.éxample.com/",
        "https://hooks.example.com/" + "a" * 500, "https://2130706433/", "https://0x7f.1/", "https://127.0.0.1/", "",
    ],
)  # fmt: skip
def test_only_what_an_administrator_allows_is_an_address(url: str) -> None:
    with pytest.raises(Permanent):
        place_of(url, ALLOWED)


@pytest.mark.parametrize(
    "url", ["https://hooks.example.com/x", "https://HOOKS.example.com./x", "https://hooks.example.com:8443/", "https://[2001:db8::1]/"]
)  # fmt: skip
def test_what_is_allowed_is_one(url: str) -> None:
    assert place_of(url, ALLOWED).host in ("hooks.example.com", "2001:db8::1")


NEAR = [
    "127.0.0.1", "10.0.0.7", "192.168.1.1", "172.16.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "::", "fe80::1",  # noqa: S104  # nothing is bound
    "fd00::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "64:ff9b::a9fe:a9fe", "2002:7f00:1::", "ff02::1",
    "64:ff9b:1::a9fe:a9fe", "fec0::1", "5f00::1", "192.0.0.9",
]  # fmt: skip


@pytest.mark.parametrize("address", NEAR)
def test_a_name_that_leads_to_something_near_is_refused_before_a_connection(receiver: WebServer, address: str) -> None:
    place = webhook.Place("http", "hooks.example.com", receiver.port, "/", private=False)
    with pytest.raises(Permanent, match="not public"):
        send(place, "{}", "93.184.215.14", address)
    assert receiver.calls == []


def test_a_name_is_looked_up_once_and_what_was_looked_at_is_connected_to(receiver: WebServer) -> None:
    """A name that answers with another address the second time gets no second time."""
    asked = []

    def rebinding(host: str, port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    place = webhook.Place("http", "rebinding.example.com", receiver.port, "/", private=True)
    webhook.send(place, body="{}", secret=SECRET, message="m", at=datetime.now(UTC), look_up=rebinding)
    assert asked == ["rebinding.example.com"]
    assert receiver.calls[0].headers["host"] == f"rebinding.example.com:{receiver.port}"


def test_an_address_of_ipv6_is_in_brackets_also_without_a_port(
    receiver: WebServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(webhook.PORTS, "http", receiver.port)
    send(webhook.Place("http", "2001:db8::1", receiver.port, "/", private=True), "{}", "127.0.0.1")
    assert receiver.calls[0].headers["host"] == "[2001:db8::1]"


class _Trickles(socketserver.BaseRequestHandler):
    """A status at once, then a byte of a header now and then, for ever."""

    def handle(self) -> None:
        self.request.sendall(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        with suppress(OSError):
            while True:
                self.request.sendall(b"a")
                Event().wait(0.05)


def test_whoever_answers_a_byte_at_a_time_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(webhook, "WHOLE_SECONDS", 0.4)
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Trickles)
    server.daemon_threads = True
    host = f"127.0.0.1:{server.server_address[1]}"
    began = time.monotonic()
    with serving(server), pytest.raises(Unknown):
        send(place_of(f"http://{host}/", [Pinned(host, private=True)]))
    assert time.monotonic() - began < 3


def test_a_redirect_is_not_followed(receiver: WebServer) -> None:
    receiver.answers["/hook"] = Answer(302, headers={"Location": f"{receiver.url}/inside"})
    with pytest.raises(Permanent, match="redirects are not followed"):
        send(at(receiver, "/hook"))
    assert [call.path for call in receiver.calls] == ["/hook"]


@pytest.mark.parametrize(
    ("status", "meaning"), [(410, Permanent), (400, Transient), (404, Transient), (429, Transient), (500, Transient)]
)
def test_an_answer_says_whether_to_try_again(receiver: WebServer, status: int, meaning: type[Exception]) -> None:
    receiver.answers["/hook"] = Answer(status)
    with pytest.raises(meaning):
        send(at(receiver, "/hook"))


def test_nobody_there_is_worth_another_try() -> None:
    gone = WebServer()
    place = at(gone)
    gone.server_close()
    with pytest.raises((Transient, Unknown)):
        send(place)


def test_a_name_without_an_address_is_worth_another_try() -> None:
    place = webhook.Place("https", "no-such-host.invalid", 443, "/", private=False)
    with pytest.raises(Transient):
        send(place)


def test_https_asks_for_the_certificate_of_the_name(receiver: WebServer) -> None:
    """Plain text where TLS should be: nothing of the message is sent."""
    place = webhook.Place("https", "hooks.example.com", receiver.port, "/", private=True)
    with pytest.raises((Transient, Unknown)):
        send(place, "{}", "127.0.0.1")
    assert receiver.calls == []
