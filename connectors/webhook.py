"""Sends one signed message to an address that somebody else chose, and to nothing that is nearer to us than to them.

The host has to be on a list that an administrator keeps. Its name is resolved once, every address it has is looked at, and the
connection goes to the address that was looked at, so that a name cannot point somewhere else a moment later. Addresses that are not
public are refused unless the list says otherwise of that host; a redirect is an answer like any other, and is not followed.

The signature is that of Standard Webhooks (webhook-id, webhook-timestamp, webhook-signature). The id of a message stays the same
however often it is sent, so that its receiver can drop what came twice.
"""

import ipaddress
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import SplitResult, urlsplit

from standardwebhooks import Webhook
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool, Timeout
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, SSLError

from .errors import Permanent, Transient, Unknown

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], Iterable[str]]

PORTS = {"https": 443, "http": 80}
SECONDS = 5.0
GONE = 410
MOST_OF_A_URL = 500
NEVER_SENT = (ConnectTimeoutError, NewConnectionError, SSLError)
CARRIES_IPV4 = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("::/96"))
"""Where the last 32 bits are an IPv4 address: NAT64, and what was before IPv4-mapped ones."""


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
        "Host": place.host if place.port == PORTS[place.scheme] else f"{_bracketed(place.host)}:{place.port}",
        "Content-Type": "application/json",
        "User-Agent": "Afterdeck",
        "webhook-id": message,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(msg_id=message, timestamp=at, data=body),
    }
    try:
        with _pool(place, address) as pool:
            answer = pool.urlopen(
                "POST", place.path, body=body.encode(), headers=headers, redirect=False, retries=False,
                preload_content=False, assert_same_host=False,
            )  # fmt: skip
            answer.close()  # whatever it has to say beyond the status is not read
    except NEVER_SENT as problem:
        raise Transient(f"{place.host} cannot be reached.", type(problem).__name__) from problem
    except HTTPError as problem:
        raise Unknown(f"{place.host} did not answer.", type(problem).__name__) from problem
    if 200 <= answer.status < 300:
        return
    if 300 <= answer.status < 400:
        raise Permanent(
            f"{place.host} answered {answer.status}: redirects are not followed. Give the address it leads to."
        )
    if answer.status == GONE:
        raise Permanent(f"{place.host} answered {GONE}: it wants nothing more from us.")
    raise Transient(f"{place.host} answered {answer.status}.")


def is_public(text: str) -> bool:
    """Whether an address is out there. Raises `ValueError` for what is none.

    Also of the IPv4 address that an IPv6 one stands for: `::ffff:127.0.0.1` is this machine.
    """
    address = ipaddress.ip_address(text)
    return all(each.is_global and not each.is_multicast for each in (address, *_inside(address)))


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


def _pool(place: Place, address: str) -> HTTPConnectionPool:
    timeout = Timeout(connect=SECONDS, read=SECONDS)
    if place.scheme == "http":
        return HTTPConnectionPool(address, place.port, timeout=timeout)
    # The name, not the address, is what the certificate has to be for.
    return HTTPSConnectionPool(
        address,
        place.port,
        timeout=timeout,
        cert_reqs="CERT_REQUIRED",
        server_hostname=place.host,
        assert_hostname=place.host,
    )


def _same_host(entry: str, host: str, port: int) -> bool:
    said = urlsplit(f"//{entry}")
    return (said.hostname, said.port or PORTS["https"]) == (host, port)


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _path(parts: SplitResult) -> str:
    return (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
