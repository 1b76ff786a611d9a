"""The list of services: nothing, one, and more than fit on a page."""

import re

import pytest

from tests.characters import People
from tests.portal.web.conftest import SignedIn, Town


def names(page: str) -> list[str]:
    return re.findall(r'<th scope="row"><a href="/services/([^"]+)">', page)


def test_without_services_the_page_says_how_one_appears(people: People, signed_in: SignedIn, town: Town) -> None:
    page = signed_in(people.mira).get("/services").content.decode()
    assert "No services yet" in page
    assert "afterdeck.dev/owner" in page


def test_pages_follow_each_other_without_a_gap(people: People, signed_in: SignedIn, town: Town) -> None:
    slugs = [f"service-{number:03}" for number in range(120)]
    for slug in slugs:
        town.service(slug)

    found: list[str] = []
    address: str | None = "/services"
    while address:
        page = signed_in(people.edda).get(address).content.decode()
        found += names(page)
        following = re.search(r'rel="next" href="([^"]+)"', page)
        address = following[1].replace("&amp;", "&") if following else None

    assert found == slugs


def test_names_are_in_the_order_people_look_them_up(people: People, signed_in: SignedIn, town: Town) -> None:
    for slug, name in (("a", "Zebra"), ("b", "apple"), ("c", "Melon")):
        town.service(slug, name=name)
    assert names(signed_in(people.mira).get("/services").content.decode()) == ["b", "c", "a"]
    assert names(signed_in(people.mira).get("/services?after=c").content.decode()) == ["a"]
    assert names(signed_in(people.mira).get("/services?after=gone").content.decode()) == ["b", "c", "a"]


def test_only_trouble_shows_only_trouble(people: People, signed_in: SignedIn, town: Town) -> None:
    town.workload(town.service("alright"))
    town.workload(town.service("broken"), trouble="the image cannot be pulled")
    page = signed_in(people.mira).get("/services?trouble=1").content.decode()
    assert names(page) == ["broken"]


@pytest.mark.parametrize("query", ["q=%00", "after=%00%ff", "q=" + "x" * 5000, "trouble=2", "q=%25_%5C"])
def test_odd_filters_find_nothing_and_break_nothing(
    people: People, signed_in: SignedIn, town: Town, query: str
) -> None:
    town.service("checkout")
    assert signed_in(people.mira).get(f"/services?{query}").status_code == 200
