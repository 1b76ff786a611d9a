"""Tells open pages that something changed, so that they ask again: stream first, polling without it.

How a page uses it. `base.html` opens the stream and `live.js` turns it into DOM events on `<body>`; a fragment only says what it
listens to, and where it comes from:

    <section id="run" hx-get="{% url 'request-run' request.pk %}" hx-swap="outerMorph"
             hx-trigger="request-{{ request.pk }} from:body delay:150ms">

- `request-<id>` when that request, its approvals or its run changed; only people who may see the request get it.
- `changed` when anything did, after a new connection, and on every poll. Lists listen to this one.
When there is no stream, `live.js` fires `changed` and every `request-<id>` that the page listens to, every few seconds, so no
fragment needs a trigger of its own for polling.

One subscription per process on Valkey's `actions.bell.CHANNEL`, one queue per browser, one query per changed request, however many
browsers there are. Only ids travel. A stream ends after a few minutes and is opened again, with a new look at who is signed in.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import structlog
from asgiref.sync import sync_to_async
from django.conf import settings
from django.db import Error as DatabaseProblem
from django.db import close_old_connections
from django.db.models import Q
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.http import require_safe
from redis.asyncio import Redis
from redis.exceptions import RedisError

from actions.bell import CHANNEL
from actions.models import Debt, Request
from approvals import absences
from approvals.models import Asked
from inventory import queries as inventory
from inventory.models import Person
from portal.web.door import signed_in

log = structlog.get_logger(__name__)

HEARTBEAT = 15.0
"""Seconds of silence after which a proxy, or a browser that is gone, would not notice."""
LIFETIME = 300.0
"""Seconds after which a browser has to show again who it is."""
WITHOUT_VALKEY = 3.0
"""Seconds between two rounds of "something may have changed" while nothing tells us."""
QUEUE = 200


@dataclass(frozen=True)
class Changed:
    """A changed request and who may know: `None` as request means anything."""

    request: int | None
    service: int = 0
    requester: int = 0
    candidates: frozenset[int] = frozenset()


ANYTHING = Changed(None)


@dataclass(eq=False)
class Browser:
    """One open page: whose, as whom they may be asked, which services they see (`None`: all), and what to tell them next."""

    person: int
    identities: frozenset[int]
    services: frozenset[int] | None
    waiting: asyncio.Queue[Changed | None] = field(default_factory=lambda: asyncio.Queue(QUEUE))

    def may_know(self, change: Changed) -> bool:
        if change.request is None or self.services is None:
            return True
        theirs = change.service in self.services or change.requester == self.person
        return theirs or not self.identities.isdisjoint(change.candidates)

    def tell(self, change: Changed) -> None:
        """A browser that does not read loses single changes, not the fact that there were some."""
        if not self.may_know(change):
            return
        if self.waiting.full():
            self._forget()
            change = ANYTHING
        self.waiting.put_nowait(change)

    def leave(self) -> None:
        """End the stream, so that the page opens another one, or polls."""
        self._forget()
        self.waiting.put_nowait(None)

    def _forget(self) -> None:
        while not self.waiting.empty():
            self.waiting.get_nowait()


class Hub:
    """The browsers of one event loop, and the one subscription that feeds them while there are any."""

    def __init__(self) -> None:
        self.browsers: set[Browser] = set()
        self._feeding: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def joined(self, browser: Browser) -> Iterator[None]:
        self.browsers.add(browser)
        if self._feeding is None or self._feeding.done():
            self._feeding = asyncio.get_running_loop().create_task(self._feed())
        try:
            yield
        finally:
            self.browsers.discard(browser)
            if not self.browsers and self._feeding:
                self._feeding.cancel()

    async def _feed(self) -> None:
        try:
            while True:
                await self._listen_while_it_lasts()
                self._tell(ANYTHING)
                await asyncio.sleep(WITHOUT_VALKEY)
        except Exception:
            log.exception("live.feed_ended")
        finally:  # heartbeats alone would have the pages believe that nothing changes
            for browser in self.browsers:
                browser.leave()

    async def _listen_while_it_lasts(self) -> None:
        try:
            await self._listen()
        except (RedisError, OSError) as problem:
            log.warning("live.without_valkey", problem=str(problem))
        except DatabaseProblem as problem:
            log.warning("live.without_database", problem=type(problem).__name__)

    async def _listen(self) -> None:
        valkey = Redis.from_url(
            settings.CELERY_BROKER_URL, socket_connect_timeout=2, socket_timeout=None, health_check_interval=10
        )
        async with valkey, valkey.pubsub() as subscription:
            await subscription.subscribe(CHANNEL)
            self._tell(ANYTHING)
            async for message in subscription.listen():
                if message["type"] == "message":
                    self._tell(await sync_to_async(_look_up)(message["data"]))

    def _tell(self, change: Changed) -> None:
        for browser in self.browsers:
            browser.tell(change)


_hubs: dict[asyncio.AbstractEventLoop, Hub] = {}


def _hub() -> Hub:
    """One for each event loop: a server has one, a test run has many."""
    loop = asyncio.get_running_loop()
    for ended in [known for known in _hubs if known.is_closed()]:
        del _hubs[ended]
    return _hubs.setdefault(loop, Hub())


def _look_up(data: bytes) -> Changed:
    if not data.isdigit():
        return ANYTHING
    close_old_connections()  # no request begins or ends here, which is where Django lets go of a broken one
    rows = Request.objects.filter(pk=int(data)) if len(data) < 19 else Request.objects.none()
    row = rows.values_list("pk", "service_id", "requester_id", "round_id").first()
    if row is None:
        return ANYTHING
    reviews = Debt.objects.filter(request=row[0]).values("round")
    asked = Asked.objects.filter(Q(round=row[3]) | Q(round__in=reviews)).values_list("identity", flat=True)
    return Changed(row[0], row[1], row[2], frozenset(asked))


def _browser(person: Person) -> Browser:
    sees_all = person.has_perm(f"inventory.{inventory.VIEW}")
    services = None if sees_all else frozenset(inventory.services_visible_to(person).values_list("pk", flat=True))
    absent = absences.stand_in_for([person.pk], timezone.now())
    identities = {person.identity, *absent, *inventory.identities_of(absent).values()} if absent else {person.identity}
    return Browser(person.pk, frozenset(identities), services)


async def _stream(browser: Browser) -> AsyncIterator[str]:
    until = time.monotonic() + LIFETIME
    with _hub().joined(browser):
        yield "retry: 1000\n\n"
        while (left := until - time.monotonic()) > 0:
            try:
                change = await asyncio.wait_for(browser.waiting.get(), min(HEARTBEAT, left))
            except TimeoutError:
                yield ": still here\n\n"
                continue
            if change is None:
                return
            if change.request is not None:
                yield f"event: request-{change.request}\ndata: {change.request}\n\n"
            yield "event: changed\ndata: {}\n\n"


@require_safe
@signed_in
def live(request: HttpRequest, person: Person) -> StreamingHttpResponse:
    """Who may know what is read once, here; the stream itself needs no thread and no database connection."""
    return StreamingHttpResponse(
        _stream(_browser(person)),
        content_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


urlpatterns = [path("live", live, name="live")]
