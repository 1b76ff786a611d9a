"""Measures and reports. Runs in a process with the portal's settings, which `benchmarks.__main__` starts."""

from actions.queue import PAGE
from benchmarks import waiting
from benchmarks.arms import Measured, alternate
from benchmarks.clicks import Clicks
from benchmarks.pages import Pages
from benchmarks.place import Place
from benchmarks.report import Line, write
from benchmarks.rows import NAMESPACE, Rows
from portal.api.tokens import issue
from portal.models import Scope

ROUNDS_OF_CLICKS = 25
ROUNDS_OF_PAGES = 40
EVENTS = 100_000
WAITING = 100_000


def main() -> None:
    place = Place.here()
    print("Making people and workloads")
    rows = Rows(place.endpoints)
    _, token = issue(actor=rows.people.mira, name="benchmark", scopes=Scope.values, days=1)
    print("Clicking")
    clicks = Clicks(place, NAMESPACE, token, rows.staging.pk)
    clicked = alternate([clicks.hop, clicks.click, clicks.patch, clicks.kubectl], ROUNDS_OF_CLICKS)
    print("Reading pages")
    few = _read_pages(place, rows)
    print(f"Reading them again, with {EVENTS:,} more events and {WAITING:,} more requests that wait")
    rows.add_events(EVENTS)
    rows.add_waiting(WAITING)
    rows.settle(place)
    many = _read_pages(place, rows)
    queue = alternate(waiting.arms(rows.people.jonas), ROUNDS_OF_PAGES)
    write(
        _of_clicks(clicked),
        _of_queue(queue),
        _of_pages(few, "few rows") + _of_pages(many, f"{EVENTS:,} events, {WAITING:,} waiting"),
    )


def _read_pages(place: Place, rows: Rows) -> dict[str, Measured]:
    pages, people, request = Pages(place), rows.people, rows.waiting[0].pk
    arms = [
        pages.page("health", "/healthz"),
        pages.page("bare", "/profile/tokens", people.edda),
        pages.page("home", "/", people.mira),
        pages.page("request", f"/requests/{request}", people.mira),
        pages.page("live part of a request", f"/requests/{request}/live", people.mira),
        pages.page("queue", "/approvals", people.jonas),
        pages.page("audit", "/audit", people.edda),
    ]
    return alternate(arms, ROUNDS_OF_PAGES)


def _of_clicks(found: dict[str, Measured]) -> list[Line]:
    hop, patch, kubectl = found["hop"], found["patch"], found["kubectl"]
    return [
        Line("A raw Celery hop: send a task that inserts one row", hop, {}),
        Line("In line → a worker has begun", found["line to worker"], {"the raw hop": hop}),
        Line("Click → answered", found["click answered"], {"the raw hop": hop}),
        Line("Click → the first step's intent is committed", found["click to step"], {"the raw hop": hop}),
        Line("A warm raw PATCH", patch, {}),
        Line("`kubectl rollout restart`", kubectl, {"the raw PATCH": patch}),
        Line(
            "Click → the Deployment is patched", found["click to patch"], {"the raw PATCH": patch, "`kubectl`": kubectl}
        ),
    ]


def _of_queue(found: dict[str, Measured]) -> list[Line]:
    by_key = found["by key"]
    return [
        Line(f"{PAGE} requests by their primary keys", by_key, {}),
        Line("The first page of the queue", found["first page"], {"by key": by_key}),
        Line(f"Its page {waiting.DEEP + 1}", found["deep page"], {"by key": by_key}),
        Line("How many wait", found["counted"], {"by key": by_key}),
    ]


def _of_pages(found: dict[str, Measured], situation: str) -> list[Line]:
    health, bare = found["health"], found["bare"]
    names = [name for name in found if name not in ("health", "bare")]
    return [
        Line(f"`/healthz`, {situation}", health, {}),
        Line(f"Bare page, {situation}", bare, {"`/healthz`": health}),
        *(
            Line(f"{name.capitalize()}, {situation}", found[name], {"`/healthz`": health, "the bare page": bare})
            for name in names
        ),
    ]
