"""Sends one signed message to an address that somebody else chose, and to nothing that is nearer to us than to them.

The host has to be on a list that an administrator keeps. Its name is resolved once, every address it has is looked at, and the
connection goes to the address that was looked at, so that a name cannot point somewhere else a moment later. Addresses that are not
public are refused unless the list says otherwise of that host; a redirect is an answer like any other, and is not followed. However
slowly a receiver takes and answers, the whole exchange ends in time.

The signature is that of Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature). The id of a message stays the same
however often it is sent, so that its receiver can drop what came twice.
"""

import ipaddress
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPException
from threading import Timer
from urllib.parse import SplitResult, urlsplit

from standardwebhooks import Webhook
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError

from .errors import Permanent, Transient, Unknown

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Iterable[str]]

PORTS = {"https": 443, "http": 80}
SECONDS, WHOLE_SECONDS = 5.0, 10.0
"""For a connection or one read, and for everything from the connection to the last line of the answer."""
GONE = 410
MOST_OF_A_URL = 500
CARRIES_IPV4 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
"""Where the last 32 bits are an IPv4 address: NAT64, and what was before IPv4-mapped ones."""
NOT_OUT_THERE = tuple(
    ipaddress.ip_network(each) for each in ("192.0.0.0/24", "64:ff9b:1::/48", "5f00::/16", "fec0::/10")
)
"""What Python calls global, and is somebody's own: protocol assignments, local NAT64, segment routing, old site-local ones."""


@dataclass(frozen=True)
class Pinned:
    """A host that may be sent to: `name` or `name:port`; without a port it is that of https. `private` allows addresses that are not
    public, and plain http.
    """

    host: str
    private: bool = False


@dataclass(frozen=True)
class Place:
    """A checked URL: what to connect to, and what to ask for there."""

    scheme: str
    host: str
    port: int
    path: str
    private: bool


def place_of(url: str, pinned: Iterable[Pinned]) -> Place:
    """Read a URL, and say no in words to one that will not be sent to. Raises `Permanent`."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").rstrip("."), parts.port or PORTS.get(parts.scheme, 0)
    except ValueError as problem:
        raise Permanent("This is not a web address.", str(problem)) from problem
    if len(url) > MOST_OF_A_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise Permanent(f"A web address is at most {MOST_OF_A_URL} printable ASCII characters.")
    if parts.scheme not in PORTS or not host:
        raise Permanent("The address has to begin with https:// and a host name.")
    if parts.username is not None or parts.password is not None:
        raise Permanent(
            "The address must not hold a user name or a password: it is shown and kept. The signature says who we are."
        )
    entry = next((each for each in pinned if _same_host(each.host, host, port)), None)
    if entry is None:
        raise Permanent(f"{host} is not among the hosts that an administrator allows for webhooks.")
    if parts.scheme == "http" and not entry.private:
        raise Permanent("The address has to begin with https://.")
    return Place(parts.scheme, host, port, _path(parts), entry.private)


def resolve(host: str, port: int) -> list[str]:
    """Every address of a name, once."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(each[4][0]) for each in found))


def send(place: Place, *, body: str, secret: str, message: str, at: datetime, look_up: Resolve = resolve) -> None:
    """POST a JSON text. Raises `Transient` when trying again may help, `Unknown` when it may have arrived, `Permanent` when not.

    `message` is the id that stays the same over all tries; `at` is in UTC.
    """
    address = _address(place, look_up)
    headers = {
        "Host": _bracketed(place.host) + ("" if place.port == PORTS[place.scheme] else f":{place.port}"),
        "Content-Type": "application/json",
        "User-Agent": "Afterdeck",
        "webhook-id": message,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(msg_id=message, timestamp=at, data=body),
    }
    status = _exchange(place, address, body.encode(), headers)
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise Permanent(f"{place.host} answered {status}: redirects are not followed. Give the address it leads to.")
    if status == GONE:
        raise Permanent(f"{place.host} answered {GONE}: it wants nothing more from us.")
    raise Transient(f"{place.host} answered {status}.")


def is_public(text: str) -> bool:
    """Whether an address is out there. Raises `ValueError` for what is none.

    Also of the IPv4 address that an IPv6 one stands for: `::ffff:127.0.0.1` is this machine.
    """
    address = ipaddress.ip_address(text)
    return all(_is_out_there(each) for each in (address, *_inside(address)))


def _is_out_there(address: Address) -> bool:
    return address.is_global and not address.is_multicast and not any(address in net for net in NOT_OUT_THERE)


def _inside(address: Address) -> list[Address]:
    if isinstance(address, ipaddress.IPv4Address):
        return []
    teredo = address.teredo or ()
    carried = [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)] if any(address in net for net in CARRIES_IPV4) else []
    return [each for each in (address.ipv4_mapped, address.sixtofour, *teredo, *carried) if each is not None]


def _address(place: Place, look_up: Resolve) -> str:
    """The one to connect to. One bad address spoils all: a name that also points inside is not an honest one."""
    try:
        found = list(look_up(place.host, place.port))
    except (OSError, UnicodeError) as problem:
        raise Transient(f"{place.host} has no address at the moment.", type(problem).__name__) from problem
    if not found:
        raise Transient(f"{place.host} has no address at the moment.")
    if not place.private and not all(is_public(each) for each in found):
        raise Permanent(f"{place.host} leads to an address that is not public.")
    return found[0]


def _exchange(place: Place, address: str, body: bytes, headers: dict[str, str]) -> int:
    """The status it answers with; whatever it has to say beyond that is not read."""
    until = time.monotonic() + WHOLE_SECONDS
    connection = _connection(place, address)
    try:
        try:
            connection.connect()
        except (HTTPError, OSError) as problem:
            raise Transient(f"{place.host} cannot be reached.", type(problem).__name__) from problem
        with _shut_at(connection.sock, until):
            connection.request("POST", place.path, body=body, headers=headers, preload_content=False)
            answer = connection.getresponse()
            answer.close()
    except (HTTPError, HTTPException, OSError) as problem:
        raise Unknown(f"{place.host} did not answer.", type(problem).__name__) from problem
    finally:
        connection.close()
    if time.monotonic() >= until:  # what was cut off may look whole
        raise Unknown(f"{place.host} did not answer in time.")
    return answer.status


@contextmanager
def _shut_at(taken: socket.socket, until: float) -> Iterator[None]:
    """A timeout of a socket counts from its last byte, so a byte now and then would hold us for ever."""

    def shut() -> None:
        with suppress(OSError):
            taken.shutdown(socket.SHUT_RDWR)

    timer = Timer(max(0.0, until - time.monotonic()), shut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _connection(place: Place, address: str) -> HTTPConnection:
    if place.scheme == "http":
        return HTTPConnection(address, place.port, timeout=SECONDS)
    # The name, not the address, is what the certificate has to be for.
    return HTTPSConnection(address, place.port, timeout=SECONDS, cert_reqs="CERT_REQUIRED", server_hostname=place.host)


def _same_host(entry: str, host: str, port: int) -> bool:
    said = urlsplit(f"//{entry}")
    return (said.hostname, said.port or PORTS["https"]) == (host, port)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
