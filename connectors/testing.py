"""The contract of every connector, as tests that its author runs too.

Subclass `ConnectorContract` in a test module, give it the fixtures and lists below, and pytest does the rest:

    class TestOurConnector(ConnectorContract):
        @pytest.fixture
        def connector(self): ...

It needs pytest, which the package itself does not.
"""

import pickle
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from connectors.errors import ConnectorError, InvalidName, Missing, ReadOnly, Transient
from connectors.names import dns_subdomain
from connectors.protocol import Connector

Call = Callable[[Any], object]
NamedCall = Callable[[Any, str], object]

SLOWEST_REFUSAL = 5.0  # seconds until somebody who looks at a page hears that a system cannot be reached

# Nothing has one of these names, and each has changed the meaning of a URL or of a page somewhere.
HOSTILE_NAMES = (
    "",
    ".",
    "..",
    "../../sys/mounts",
    "a/../b",
    "a//b",
    "/a",
    "a/",
    "%2e%2e",
    "a%2fb",
    "payments\n",
    "payments\r\nX-Injected: yes",
    "pay ments",
    "payments?watch=true",
    "payments#",
    "payments\x00",
    "p\u0430yments",  # Cyrillic
    "\ufb01nance",  # a ligature
    "pay\u202estnem",  # right-to-left override
    "\ud800",  # lone surrogate
    "payments;rm",
    "${payments}",
    "<img/src/onerror=alert(1)>",
    "\x1b[31mpayments",
    "a" * 600,
)


class ConnectorContract:
    """What holds for every connector. A subclass says what there is to call; what it leaves empty is not promised."""

    credentials: Sequence[str] = ()
    """Texts that no error may show. Set by a fixture, where they are only known then."""

    @pytest.fixture
    def connector(self) -> Connector:
        """Connected to a system that runs."""
        raise NotImplementedError

    @pytest.fixture
    def unreachable(self) -> Connector:
        """Of the same kind, with an address where nothing listens."""
        raise NotImplementedError

    @pytest.fixture
    def read_only(self) -> Connector:
        """Of the same kind, with an address where nothing listens, and configured not to write."""
        raise NotImplementedError

    def reads(self) -> Sequence[Call]:
        """Calls that read."""
        raise NotImplementedError

    def reads_of_nothing(self) -> Sequence[Call]:
        """Calls that read something by a good name that is not there."""
        raise NotImplementedError

    def named(self) -> Sequence[NamedCall]:
        """Every call that takes a name, once per name it takes."""
        raise NotImplementedError

    def writes(self) -> Sequence[Call]:
        """Every call that changes something, with arguments that a writing connector would send."""
        return ()

    def test_it_is_a_connector_with_a_kind_and_a_name(self, connector: Connector) -> None:
        assert isinstance(connector, Connector)
        assert dns_subdomain(connector.kind)
        assert dns_subdomain(connector.name)
        assert connector.read_only is False

    def test_a_system_that_runs_is_healthy(self, connector: Connector) -> None:
        health = connector.health()

        assert health.ok, health.sentence
        assert health.version
        assert health.checked_at.tzinfo is not None

    def test_a_system_that_cannot_be_reached_is_said_to_be_so_in_time(self, unreachable: Connector) -> None:
        started = time.monotonic()
        health = unreachable.health()

        assert not health.ok
        assert unreachable.name in health.sentence
        assert time.monotonic() - started < SLOWEST_REFUSAL

    def test_a_read_of_a_system_that_cannot_be_reached_is_transient(self, unreachable: Connector) -> None:
        for read in self.reads():
            started = time.monotonic()
            with pytest.raises(Transient):
                read(unreachable)
            assert time.monotonic() - started < SLOWEST_REFUSAL

    def test_what_is_not_there_is_missing(self, connector: Connector) -> None:
        for read in self.reads_of_nothing():
            with pytest.raises(Missing):
                read(connector)

    @pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
    def test_a_hostile_name_is_refused_before_anything_is_sent(self, unreachable: Connector, name: str) -> None:
        for call in self.named():
            with pytest.raises(InvalidName):  # had it tried to send anything, it would have been Transient
                call(unreachable, name)

    def test_a_read_only_connector_refuses_to_write_before_anything_is_sent(self, read_only: Connector) -> None:
        assert read_only.read_only is True
        for write in self.writes():
            with pytest.raises(ReadOnly):
                write(read_only)

    def test_an_error_can_be_shown_and_kept(self, unreachable: Connector, connector: Connector) -> None:
        calls = [(read, unreachable) for read in self.reads()] + [(read, connector) for read in self.reads_of_nothing()]
        for call, on in calls:
            with pytest.raises(ConnectorError) as caught:
                call(on)
            error = caught.value
            assert error.sentence.isprintable()
            assert error.detail.isprintable()
            assert str(pickle.loads(pickle.dumps(error))) == str(error)  # noqa: S301  # our own bytes, one line ago

    def test_no_error_shows_a_credential(self, unreachable: Connector, connector: Connector) -> None:
        shown = [repr(connector), connector.health().sentence, unreachable.health().sentence]
        for call, on in [(r, unreachable) for r in self.reads()] + [(r, connector) for r in self.reads_of_nothing()]:
            with pytest.raises(ConnectorError) as caught:
                call(on)
            shown += [caught.value.sentence, caught.value.detail, repr(caught.value.__dict__)]

        assert [text for text in shown for credential in self.credentials if credential in text] == []

    def test_threads_can_share_it(self, connector: Connector) -> None:
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: connector.health().ok, range(32)))

        assert all(answers)
