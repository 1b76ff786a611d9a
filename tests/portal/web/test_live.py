"""The stream that tells open pages what changed: who hears what, and that Valkey may be away."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import cast

import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError
from django.http import StreamingHttpResponse
from django.test import AsyncClient, override_settings
from django.utils import timezone

from actions import bell
from actions.models import Debt, Request
from approvals.models import Absence
from inventory.models import Person
from portal.web import live
from tests.characters import People
from tests.portal.web.conftest import Town

PATIENCE = 10.0


async def stream_of(person: Person) -> AsyncIterator[bytes]:
    client = AsyncClient()
    await client.aforce_login(person, backend="django.contrib.auth.backends.ModelBackend")
    answer = cast(StreamingHttpResponse, await client.get("/live"))
    assert answer["Content-Type"] == "text/event-stream"
    return aiter(answer)


async def heard(stream: AsyncIterator[bytes], *, until: str) -> list[str]:
    """The names of the events, up to the one waited for."""
    names: list[str] = []
    async with asyncio.timeout(PATIENCE):
        async for chunk in stream:
            names += [
                line.removeprefix("event: ") for line in chunk.decode().splitlines() if line.startswith("event: ")
            ]
            if until in names:
                return names
    return names


async def ring_until(request_id: int, *listening: "asyncio.Task[list[str]]") -> None:
    while not all(task.done() for task in listening):
        await asyncio.to_thread(bell.announce, request_id)
        await asyncio.sleep(0.05)


def test_a_change_reaches_those_who_may_see_it_and_nobody_else(people: People, town: Town) -> None:
    mine = town.request(people.mira, town.workload(town.service("checkout")))
    theirs = town.request(people.leila, town.workload(town.service("web", team="storefront")))

    async def listen() -> tuple[list[str], list[str]]:
        mira, leila = await stream_of(people.mira), await stream_of(people.leila)
        first = asyncio.create_task(heard(mira, until=f"request-{mine.pk}"))
        second = asyncio.create_task(heard(leila, until=f"request-{theirs.pk}"))
        await ring_until(mine.pk, first)
        await ring_until(theirs.pk, second)
        return await first, await second

    mira, leila = asyncio.run(listen())

    assert f"request-{mine.pk}" in mira
    assert f"request-{theirs.pk}" not in mira
    assert f"request-{mine.pk}" not in leila


def test_an_approver_of_another_team_hears_what_they_are_asked(people: People, town: Town) -> None:
    request = town.request(people.mira, town.workload(town.service("checkout")), "awaiting_approval", (people.leila,))

    async def listen() -> list[str]:
        task = asyncio.create_task(heard(await stream_of(people.leila), until=f"request-{request.pk}"))
        await ring_until(request.pk, task)
        return await task

    assert f"request-{request.pk}" in asyncio.run(listen())


def test_who_stands_in_and_who_reviews_broken_glass_hear_of_it(people: People, town: Town) -> None:
    workload = town.workload(town.service("checkout"))
    request = town.request(people.mira, workload, "awaiting_approval", (people.edda,))
    acted = town.request(people.mira, workload)
    review = town.request(people.mira, workload, asked=(people.leila,)).round
    now = timezone.now()
    assert review is not None
    Debt.objects.create(request=acted, round=review, identity=people.mira.identity, due_at=now)
    group = Group.objects.create(name="change-board")
    group.user_set.add(people.edda, people.leila)

    def hears(what: Request) -> bool:
        return live._browser(people.leila).may_know(live._look_up(str(what.pk).encode()))

    assert (hears(request), hears(acted)) == (False, True)
    Absence.objects.create(person=people.edda, stand_in=people.leila, starts_at=now, ends_at=now + timedelta(hours=1))
    assert hears(request)


def test_without_valkey_pages_are_told_to_look_for_themselves(
    people: People, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "WITHOUT_VALKEY", 0.05)

    async def listen() -> list[str]:
        stream = await stream_of(people.mira)
        return [*await heard(stream, until="changed"), *await heard(stream, until="changed")]

    with override_settings(CELERY_BROKER_URL="redis://127.0.0.1:1/0"):
        assert asyncio.run(listen()).count("changed") >= 2


def test_a_database_that_is_away_for_a_moment_does_not_end_the_feed(
    people: People, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = town.request(people.mira, town.workload(town.service("checkout")))
    look_up = live._look_up
    failures: list[bytes] = []

    def fails_once(data: bytes) -> live.Changed:
        if not failures:
            failures.append(data)
            raise OperationalError("the connection is closed")
        return look_up(data)

    monkeypatch.setattr(live, "WITHOUT_VALKEY", 0.05)
    monkeypatch.setattr(live, "_look_up", fails_once)

    async def listen() -> list[str]:
        task = asyncio.create_task(heard(await stream_of(people.mira), until=f"request-{request.pk}"))
        await ring_until(request.pk, task)
        return await task

    assert f"request-{request.pk}" in asyncio.run(listen())
    assert failures


def test_streams_end_with_their_feed_so_that_pages_come_back(
    people: People, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    def defect(data: bytes) -> live.Changed:
        raise ZeroDivisionError

    monkeypatch.setattr(live, "_look_up", defect)

    async def listen() -> list[str]:
        task = asyncio.create_task(heard(await stream_of(people.mira), until="never"))
        await ring_until(1, task)
        return await task

    assert set(asyncio.run(listen())) <= {"changed"}


def test_a_stream_ends_so_that_a_browser_shows_again_who_it_is(
    people: People, town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "LIFETIME", 0.2)
    monkeypatch.setattr(live, "HEARTBEAT", 0.05)

    async def listen() -> None:
        async with asyncio.timeout(PATIENCE):
            async for _ in await stream_of(people.mira):
                pass

    asyncio.run(listen())


def test_a_browser_that_does_not_read_loses_single_changes_and_not_the_fact() -> None:
    async def fill() -> list[live.Changed | None]:
        slow = live.Browser(1, frozenset({1}), None)
        for number in range(live.QUEUE + 1):
            slow.tell(live.Changed(number))
        return [slow.waiting.get_nowait() for _ in range(slow.waiting.qsize())]

    assert asyncio.run(fill()) == [live.ANYTHING]
