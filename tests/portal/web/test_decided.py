"""What one decided: newest first, a page at a time, with what one wrote."""

import re

from django.urls import reverse

from approvals.models import Round, Vote
from tests.characters import People, fresh
from tests.portal.api.rows import make_request, make_workload
from tests.portal.web.conftest import SignedIn


def test_page_after_page_shows_each_decision_once_and_nobody_elses(people: People, signed_in: SignedIn) -> None:
    target = make_workload("checkout", "payments")
    rounds = [fresh(make_request(target, people, number)).round for number in range(52)]
    for asked in rounds:
        assert asked is not None
        for person in (people.jonas, people.ines):
            Vote.objects.create(
                round=asked, voter=person, identity=person.identity, decision="approve", digest=asked.digest, note=f"{person.name}",
                at=asked.opened_at,
            )  # fmt: skip
    jonas = signed_in(people.jonas)
    first = jonas.get(reverse("decided")).content.decode()
    older = re.search(r'href="(/approvals/decided\?before=[^"]+)"', first)
    assert older is not None
    second = jonas.get(older[1].replace("&amp;", "&")).content.decode()
    found = [re.findall(r'class="ad-title" href="/requests/(\d+)"', page) for page in (first, second)]
    assert [len(each) for each in found] == [50, 2]
    assert len({number for each in found for number in each}) == 52
    assert "“Jonas”" in first
    assert "“Ines”" not in first
    assert "Newest" in second


def test_a_decision_about_a_policy_is_one_too(people: People, signed_in: SignedIn) -> None:
    target = make_workload("checkout", "payments")
    asked = fresh(make_request(target, people)).round
    assert asked is not None
    about_policy = Round.objects.create(
        kind=Round.Kind.POLICY, digest="c0ffee" * 10, requester_identity=0, requirements=[], opened_at=asked.opened_at,
        expires_at=asked.expires_at,
    )  # fmt: skip
    Vote.objects.create(
        round=about_policy, voter=people.kofi, identity=people.kofi.identity, decision="reject", digest=about_policy.digest,
        note="Too wide", at=asked.opened_at,
    )  # fmt: skip
    kofi = signed_in(people.kofi)
    for page in ("decided", "queue"):
        assert "Policy c0ff eec0" in kofi.get(reverse(page)).content.decode()


def test_nobody_has_decided_everything(people: People, signed_in: SignedIn) -> None:
    assert "No decisions yet" in signed_in(people.leila).get(reverse("decided")).content.decode()
    assert signed_in(people.leila).get(reverse("decided"), {"before": "x"}).status_code == 404
