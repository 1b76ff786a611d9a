"""The record's page: filters that are the address, pages without gaps, one event opened, exports on the record."""

import json
import re

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from audit import writer
from audit.events import About, Actor, ActorKind, Event
from audit.models import EventRow
from inventory.models import Person
from tests.characters import People
from tests.portal.web.conftest import SignedIn, Town


def record(
    person: Person, *summaries: str, service: str = "", verb: str = "plan.refused", request: int | None = None
) -> None:
    actor = Actor(ActorKind.PERSON, person.username, person.pk)
    with transaction.atomic():
        writer.record(*[Event(verb, actor, each, About(request=request, service=service)) for each in summaries])


def page(client: Client, query: str = "", status: int = 200) -> str:
    answer = client.get(f"/audit{query}")
    assert answer.status_code == status
    return answer.content.decode()


def summaries(found: str) -> list[str]:
    return re.findall(r"<td>(event-\d+)</td>", found)


def link(found: str, word: str) -> str | None:
    match = re.search(rf'href="/audit([^"]*)">{word}</a>', found)
    return match[1].replace("&amp;", "&") if match else None


def download(client: Client, **form: str) -> tuple[int, str]:
    answer = client.post(reverse("audit-export"), form)
    content = b"".join(answer) if answer.streaming else answer.content
    return answer.status_code, content.decode()


def test_an_empty_record_says_what_will_be_in_it(people: People, signed_in: SignedIn) -> None:
    assert "Nothing is on the record yet" in page(signed_in(people.edda))


def test_it_says_what_is_true_about_sealing_and_no_more(people: People, signed_in: SignedIn) -> None:
    found = page(signed_in(people.edda))
    assert "Append-only, not sealed yet" in found
    assert "tamper-proof" not in found.lower()
    assert "verified" not in found.lower()


def test_older_and_newer_pages_follow_each_other_without_a_gap(people: People, signed_in: SignedIn) -> None:
    for start in range(0, 130, 13):
        record(people.mira, *[f"event-{number}" for number in range(start, start + 13)])
    edda, wanted = signed_in(people.edda), [f"event-{number}" for number in reversed(range(130))]
    pages, query = [], ""
    while True:
        pages.append(page(edda, query))
        following = link(pages[-1], "Older")
        if following is None:
            break
        query = following
    assert [each for found in pages for each in summaries(found)] == wanted
    back = link(pages[-1], "Newer")
    assert back is not None
    assert summaries(page(edda, back)) == summaries(pages[1])


def test_filters_are_the_address(people: People, signed_in: SignedIn) -> None:
    record(people.mira, "event-1", service="checkout", request=7)
    record(people.jonas, "event-2", service="catalog", verb="vote.refused")
    edda = signed_in(people.edda)
    for query, found in (
        ("?actor=mira", ["event-1"]), ("?actor=Mira", ["event-1"]), ("?service=catalog", ["event-2"]), ("?verb=vote.refused", ["event-2"]),
        ("?request=7", ["event-1"]), ("?time=hour", ["event-2", "event-1"]), ("?actor=mira&service=catalog", []),
        ("?until=2020-01-01T00:00", []), ("?since=2020-01-01T00:00", ["event-2", "event-1"]),
    ):  # fmt: skip
        assert summaries(page(edda, query)) == found, query
    assert "Clear 2 filters" in page(edda, "?actor=mira&service=catalog")


@pytest.mark.parametrize(
    "query", ["request=x", "request=-1", "request=\u0663", "since=yesterday", "until=2026-13-45T99:99", "time=century"]
)
def test_a_filter_that_cannot_be_understood_is_refused_and_stays_written(
    people: People, signed_in: SignedIn, query: str
) -> None:
    name, _, value = query.partition("=")
    found = page(signed_in(people.edda), f"?{query}", status=422)
    assert "Nothing was searched for" in found
    assert name == "time" or f'value="{value}"' in found


@pytest.mark.parametrize(
    "query",
    ["before=x", "after=%00,1", "before=2026-01-01T00:00:00,1", "before=2026-01-01T00:00:00Z,9999999999999999999999"],
)
def test_a_place_that_no_page_links_to_is_not_found(people: People, signed_in: SignedIn, query: str) -> None:
    assert signed_in(people.edda).get(f"/audit?{query}").status_code == 404


def test_hostile_text_is_only_text(people: People, signed_in: SignedIn) -> None:
    record(people.mira, "<img src=x onerror=alert(1)> javascript:alert(1)", service="<script>")
    found = page(signed_in(people.edda), "?actor=%22%3E%3Cscript%3E&service=%00") + page(signed_in(people.edda))
    assert "<img src=x" not in found
    assert "<script>" not in re.sub(r'<script src="[^"]+"[^>]*></script>', "", found)
    assert 'href="javascript' not in found


def test_an_opened_event_shows_the_text_and_its_hash(people: People, signed_in: SignedIn) -> None:
    record(people.mira, "event-1", request=7)
    row = EventRow.objects.get()
    found = page(signed_in(people.edda), f"?open={row.pk}")
    assert row.text.replace('"', "&quot;") in found
    assert re.search(r'data-copy="[0-9a-f]{64}"', found)
    assert "Not sealed yet" in found


def test_everybody_sees_their_services_and_themselves_and_who_may_sees_all(
    people: People, town: Town, signed_in: SignedIn
) -> None:
    town.service("checkout")
    town.service("catalog", "storefront")
    record(people.jonas, "event-1", service="checkout")
    record(people.leila, "event-2", service="catalog")
    record(people.leila, "event-3")
    assert summaries(page(signed_in(people.mira))) == ["event-1"]
    assert summaries(page(signed_in(people.leila))) == ["event-3", "event-2"]
    assert summaries(page(signed_in(people.edda))) == ["event-3", "event-2", "event-1"]


def test_an_export_has_what_the_page_shows_and_is_itself_on_the_record(
    people: People, town: Town, signed_in: SignedIn
) -> None:
    town.service("checkout")
    record(people.jonas, "event-1", service="checkout")
    record(people.leila, "event-2")
    status, content = download(signed_in(people.mira), format="jsonl", service="checkout")
    assert status == 200
    assert [json.loads(line)["summary"] for line in content.splitlines()] == ["event-1"]
    made = EventRow.objects.get(verb="export.made")
    assert (made.actor, made.service, made.summary) == ("mira", "checkout", "jsonl, service checkout")
    assert json.loads(made.text)["details"] == {
        "filters": {"service": "checkout"},
        "format": "jsonl",
        "scope": "own services",
    }
    assert "event-2" not in download(signed_in(people.mira), format="csv")[1]
    assert "event-2" in download(signed_in(people.edda), format="csv")[1]


def test_an_export_that_cannot_be_made_leaves_nothing(people: People, signed_in: SignedIn) -> None:
    edda = signed_in(people.edda)
    assert download(edda, format="parquet")[0] == 422
    assert download(edda, format="csv", request="x")[0] == 422
    assert edda.get(reverse("audit-export")).status_code == 405
    assert not EventRow.objects.filter(verb="export.made").exists()


def test_a_page_costs_the_same_for_one_event_and_for_many(people: People, signed_in: SignedIn) -> None:
    edda = signed_in(people.edda)
    record(people.mira, "event-1")
    page(edda)
    one = _queries(edda)
    record(people.mira, *[f"event-{number}" for number in range(200)])
    assert _queries(edda) == one


def _queries(client: Client) -> int:
    with CaptureQueriesContext(connection) as captured:
        page(client)
    return len(captured)
