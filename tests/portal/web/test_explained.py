"""What the form explains before anybody asks: why, who can agree now, what would need less, and when the policy would let it."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import admission, offers, services
from actions.errors import OneAtATime
from actions.models import Request
from approvals.models import Absence
from inventory.models import Person, Shift, Workload
from portal.web.verdict import first_typable
from sandbox.stack import Endpoints
from tests.characters import People, Shop
from tests.cluster import Namespace, made_namespace, workload
from tests.portal.web.conftest import SignedIn

RESIZE, RESTART, CONTAINERS = "resize-workload", "restart-workload", "resize-containers"
SIZES = {
    "app": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "1Gi"}},
    "proxy": {"requests": {"cpu": "100m", "memory": "64Mi"}},
}


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        sized = workload("sized", replicas=1)
        sized["spec"]["template"]["spec"]["containers"] = [
            {"name": name, "image": "registry.example/shop/sized:1", "resources": SIZES[name]} for name in SIZES
        ]
        made.apply(workload("checkout", replicas=10), sized)
        for name in ("checkout", "sized"):
            made.roll_out("deployment", name)
        yield made
        assert made.effects() == []


@pytest.fixture
def checkout(shop: Shop) -> Workload:
    return shop.knows("checkout")


@pytest.fixture
def mira(people: People, signed_in: SignedIn) -> Client:
    return signed_in(people.mira)


def post(client: Client, what: str, action: str, on: Workload, **typed: str) -> str:
    answer = client.post(f"{reverse(what, args=[on.service.slug, action])}?workload={on.pk}", typed)
    return unescape(re.sub(r"\s+", " ", re.sub(r"<(?!button)[^>]*>", " ", answer.content.decode())))


def plan(client: Client, action: str, on: Workload, **typed: str) -> str:
    return post(client, "action-plan", action, on, **typed)


def policy_of(settings: Settings, folder: Path, text: str) -> None:
    (folder / "policy.yaml").write_text(text)
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": folder})


def away(person: Person, stand_in: Person | None = None) -> None:
    now = timezone.now()
    Absence.objects.create(
        person=person, starts_at=now - timedelta(hours=1), ends_at=now + timedelta(days=9), stand_in=stand_in
    )


def test_who_can_agree_now_comes_first_and_who_is_out_says_until_when(
    people: People, checkout: Workload, mira: Client
) -> None:
    now = timezone.now()
    assert checkout.service.team is not None
    Shift.objects.create(
        team=checkout.service.team,
        person=people.jonas,
        starts_at=now - timedelta(hours=1),
        ends_at=now + timedelta(hours=1),
    )
    assert re.search(
        r"Who J Jonas on call I Ines Approvers of team payments: one is enough\. "
        r"If it is not decided after 2 h, administrators are asked too\.",
        plan(mira, RESTART, checkout),
    )
    away(people.ines, stand_in=people.jonas)
    assert re.search(
        r"J Jonas on call I Ines out until .{10,20}, Jonas stands in Approvers", plan(mira, RESTART, checkout)
    )
    away(people.jonas, stand_in=people.mira)  # who asks: that vote would not count
    page = plan(mira, RESTART, checkout)
    assert "Nobody of them is there now." in page
    assert "Mira stands in" not in page


def test_each_rule_says_what_it_saw_and_what_makes_another_not_count(
    checkout: Workload, mira: Client, settings: Settings, tmp_path: Path
) -> None:
    policy_of(settings, tmp_path, """
- {id: asked, when: "plan.percent < -20.0", needs: {count: 1, of: owning-team-approvers}, because: "It shrinks by {plan.percent} %."}
- {id: earned, when: "plan.percent > -50.0", waives: asked, because: "A little less is fine."}
- {id: free, when: "actor.is_owner", allow: true, because: "Yours."}
""")  # fmt: skip
    page = plan(mira, RESIZE, checkout, replicas="7")
    assert "But It shrinks by -30 %. Does not count: A little less is fine." in page
    assert re.search(r"free Yours\. actor\.is_owner yes", page)
    assert re.search(r"asked It shrinks by -30 %\. Does not count: A little less is fine\. plan\.percent -30", page)


GRADED = """
- {id: much, when: "plan.percent < -40.0", needs: {count: 1, of: owning-team-approvers}, because: "More than 40 % less."}
- {id: most, when: "plan.percent < -60.0", deny: true, because: "More than 60 % less."}
- {id: free, when: "actor.is_owner", allow: true, because: "Yours."}
"""


@pytest.mark.parametrize(
    ("asked", "said", "value"),
    [
        ("5", "At −40 % it runs now: replicas 6 instead of 5.", "6"),
        ("3", "At −60 % it needs 1 of 2 approvers: replicas 4 instead of 3.", "4"),
    ],
)
def test_less_is_offered_that_needs_less(
    checkout: Workload, mira: Client, settings: Settings, tmp_path: Path, asked: str, said: str, value: str
) -> None:
    policy_of(settings, tmp_path, GRADED)
    page = post(mira, "action-offer", RESIZE, checkout, replicas=asked)
    assert said in page
    filled = re.search(r'data-fill="([^>]*)">', page)
    assert filled
    assert json.loads(filled[1]) == {"replicas": value}
    assert not Request.objects.exists()


def test_the_time_is_what_is_smaller_where_that_is_what_the_policy_minds(checkout: Workload, mira: Client) -> None:
    page = post(
        mira,
        "action-offer",
        "get-namespace-access",
        checkout,
        role="afterdeck-view-logs",
        minutes="600",
        identity="token",
    )
    assert "For 8 h 0 min it needs 1 of 2 approvers: time 8 h 0 min instead of 10 h 0 min." in page


def test_what_needs_all_of_it_to_be_less_is_offered_together(
    checkout: Workload, mira: Client, namespace: Namespace, settings: Settings, tmp_path: Path
) -> None:
    policy_of(settings, tmp_path, GRADED)
    namespace.kubectl("autoscale", "deployment/checkout", "--min=10", "--max=20", "--cpu-percent=80", "--name=bounds")
    try:
        page = post(mira, "action-offer", RESIZE, checkout, min_replicas="5", max_replicas="8")
    finally:
        namespace.kubectl("delete", "hpa", "bounds")
    assert re.search(r"At −[34]\d % it runs now: maximum 1[23] instead of 8 and minimum [67] instead of 5\.", page), (
        page
    )


LARGER = """
- {id: double, when: "plan.memory_percent > 100.0 || plan.cpu_percent > 100.0", deny: true, because: "More than twice."}
- {id: half, when: "plan.memory_percent < -50.0 || plan.cpu_percent < -50.0", deny: true, because: "Less than half."}
- {id: free, when: "actor.is_owner", allow: true, because: "Yours."}
"""


@pytest.mark.parametrize(
    ("asked", "said", "filled"),
    [
        (
            {"container": "app", "memory_request": "2Gi", "memory_limit": "4Gi"},
            "At +100 % it runs now: memory request 1Gi instead of 2Gi.",
            {"memory_request": "1Gi"},
        ),
        (
            {"container": "app", "cpu_request": "2"},
            "At +100 % it runs now: CPU request 1 instead of 2.",
            {"cpu_request": "1"},
        ),
        (
            {"container": "proxy", "cpu_request": "30m"},
            "At −50 % it runs now: CPU request 50m instead of 30m.",
            {"cpu_request": "50m"},
        ),
        (
            {"container": "app", "cpu_request": "4", "memory_request": "1536Mi", "memory_limit": "1536Mi"},
            "At +100 % it runs now: CPU request 1 instead of 4, memory request 768Mi instead of 1536Mi and memory limit 1152Mi "
            "instead of 1536Mi.",
            {"cpu_request": "1", "memory_request": "768Mi", "memory_limit": "1152Mi"},
        ),
    ],
)
def test_less_of_a_size_is_offered_as_people_write_it(
    shop: Shop,
    mira: Client,
    settings: Settings,
    tmp_path: Path,
    asked: dict[str, str],
    said: str,
    filled: dict[str, str],
) -> None:
    policy_of(settings, tmp_path, LARGER)
    sized = shop.knows("sized")
    page = post(mira, "action-offer", CONTAINERS, sized, how="template", **asked)
    assert said in page
    button = re.search(r'data-fill="([^>]*)">', page)
    assert button
    assert json.loads(button[1]) == filled
    assert "it runs now" not in post(
        mira, "action-offer", CONTAINERS, sized, how="template", container="app", cpu_limit="9"
    )


def test_nothing_is_offered_where_less_needs_as_much(checkout: Workload, mira: Client) -> None:
    address = f"{reverse('action-offer', args=['checkout', RESIZE])}?workload={checkout.pk}"
    assert mira.post(address, {"replicas": "8"}).status_code == 204
    assert mira.post(address, {"replicas": "nine"}).status_code == 204


def test_less_is_looked_for_once_at_a_time(people: People, checkout: Workload, mira: Client) -> None:
    def look(actor: Person) -> offers.Offer | None:
        return offers.nearest(actor=actor, action=RESIZE, target=checkout.pk, params={"replicas": 3})

    with connections["owner"].cursor() as elsewhere:
        elsewhere.execute("SELECT pg_advisory_lock(%s, %s)", [offers.LOCK, people.mira.identity])
        try:
            with pytest.raises(OneAtATime):
                look(people.mira)
            address = f"{reverse('action-offer', args=['checkout', RESIZE])}?workload={checkout.pk}"
            assert mira.post(address, {"replicas": "3"}).status_code == 204
            look(people.jonas)
        finally:
            elsewhere.execute("SELECT pg_advisory_unlock(%s, %s)", [offers.LOCK, people.mira.identity])
    look(people.mira)
    look(people.mira)


@pytest.mark.parametrize("asked", [1000, 40, 4, 11])
def test_an_offer_costs_eight_plans_at_most(
    people: People, checkout: Workload, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: int
) -> None:
    policy_of(
        settings, tmp_path, GRADED + '- {id: more, when: "plan.percent > 30.0", deny: true, because: "Too much."}'
    )
    planned: list[Any] = []
    real = services.preview

    def counted(**how: Any) -> admission.Preview:
        planned.append(how)
        return real(**how)

    monkeypatch.setattr(services, "preview", counted)
    found = offers.nearest(
        actor=people.mira, action=RESIZE, target=checkout.pk, params={"replicas": asked, "for_minutes": 90}
    )
    assert len(planned) <= offers.MOST_PLANS
    assert found is None or [(each.name, each.value) for each in found.less] == [
        ("replicas", {1000: 11, 40: 13, 4: 6}[asked])
    ]


FROZEN = """
- {schedule: freeze, zone: UTC, dates: [{from: "2026-01-01", until: "%s"}]}
- {id: frozen, when: "true", during: freeze, deny: true, because: "Frozen."}
- {id: free, when: "actor.is_owner", allow: true, because: "Yours."}
"""


def test_when_the_window_opens_it_can_run(
    people: People, checkout: Workload, mira: Client, settings: Settings, tmp_path: Path
) -> None:
    Person.objects.filter(pk=people.mira.pk).update(time_zone="Europe/Berlin")
    ends = (timezone.now() + timedelta(days=2)).replace(hour=20, minute=0, second=0, microsecond=0)
    policy_of(settings, tmp_path, FROZEN % f"{ends:%Y-%m-%dT%H:%M}")
    page = plan(mira, RESTART, checkout)
    assert "on it is not denied. Ask now, and it runs then." in page
    filled = re.search(r'data-fill="?\'?([^>]*)\'>', page)
    assert filled
    typed = json.loads(filled[1])["not_before"]
    page = plan(mira, RESTART, checkout, not_before=typed)
    assert re.search(r"Runs \w{3} 2[12]:00 \w+, nobody has to be asked", page)
    assert re.search(r"Restart \w{3} 2[12]:00", page)
    digest = re.search(r"Plan (\w{4}) ", page)
    assert digest


@pytest.mark.parametrize(
    ("zone", "typed", "why"),
    [
        ("Europe/Berlin", "2027-03-28T02:30", "does not exist"),
        ("Europe/Berlin", "2027-10-31T02:30", "comes twice"),
        ("UTC", "tonight", "Give a date and a time"),
        ("UTC", "2020-01-01T10:00", "That is over"),
    ],
)
def test_a_time_that_no_clock_shows_once_is_refused_at_its_field(
    people: People, checkout: Workload, mira: Client, zone: str, typed: str, why: str
) -> None:
    Person.objects.filter(pk=people.mira.pk).update(time_zone=zone)
    answer = mira.post(
        f"{reverse('action-plan', args=['checkout', RESTART])}?workload={checkout.pk}", {"not_before": typed}
    )
    assert answer.status_code == 422
    problem = re.search(r'hx-target="#problem-not_before"[^>]*>([^<]*)<', answer.content.decode())
    assert problem
    assert why in problem[1]


def test_what_opens_in_an_hour_that_comes_twice_is_offered_after_it() -> None:
    with timezone.override("Europe/Berlin"):
        assert first_typable(datetime(2026, 10, 25, 0, 30, tzinfo=UTC)) == datetime(2026, 10, 25, 2, 0, tzinfo=UTC)
        assert first_typable(datetime(2026, 11, 1, 0, 30, 5, tzinfo=UTC)) == datetime(2026, 11, 1, 0, 31, tzinfo=UTC)
