"""Search and run from anywhere: what is found, for whom, and with which answer."""

import pytest

from actions.registry import action_named
from portal.web.palette import marked, read
from tests.characters import People
from tests.portal.web.conftest import SignedIn, Town

KNOWN = [action_named(each) for each in ("resize-workload", "restart-workload", "rollback-workload")]


@pytest.mark.parametrize(
    ("text", "ids", "words", "number"),
    [
        ("restart che", ["restart-workload"], ("che",), None),
        ("che res", ["resize-workload", "restart-workload"], ("che",), None),
        ("checkout", None, ("checkout",), None),
        ("#4788", None, ("#4788",), 4788),
        ("", None, (), None),
        ("9" * 30, None, ("9" * 30,), None),
    ],
)
def test_what_is_typed_is_read_as_action_service_and_number(
    text: str, ids: list[str] | None, words: tuple[str, ...], number: int | None
) -> None:
    asked = read(text, KNOWN)
    assert sorted(action.id for action in asked.actions) == (ids or sorted(action.id for action in KNOWN))
    assert (asked.words, asked.number, asked.names_an_action) == (words, number, ids is not None)


def test_an_action_is_offered_with_its_answer_most_critical_first(
    people: People, signed_in: SignedIn, town: Town
) -> None:
    service = town.service("checkout")
    town.workload(service, "staging")
    production = town.workload(service)

    page = signed_in(people.mira).get("/fragments/palette", {"q": "restart che"}).content.decode()

    assert page.index("Needs 1 of 2") < page.index("Runs now")
    assert f"/services/checkout/restart-workload?workload={production.pk}" in page
    assert "<mark>che</mark>ckout" in page
    assert "Resize" not in page


def test_nothing_of_another_team_is_found(people: People, signed_in: SignedIn, town: Town) -> None:
    request = town.request(people.mira, town.workload(town.service("checkout")))
    for text in ("checkout", "restart checkout", str(request.pk), ""):
        page = signed_in(people.leila).get("/fragments/palette", {"q": text}).content.decode()
        assert "/services/" not in page
        assert "/requests/" not in page


def test_a_number_finds_its_request(people: People, signed_in: SignedIn, town: Town) -> None:
    request = town.request(people.mira, town.workload(town.service("checkout")))
    page = signed_in(people.mira).get("/fragments/palette", {"q": f"#{request.pk}"}).content.decode()
    assert f"/requests/{request.pk}" in page


@pytest.mark.parametrize("text", ["<script>alert(1)</script>", "\x00", "%" * 200, "a " * 90, "\uff19", "restart"])
def test_anything_may_be_typed(people: People, signed_in: SignedIn, town: Town, text: str) -> None:
    town.workload(town.service("checkout"))
    answer = signed_in(people.mira).get("/fragments/palette", {"q": text})
    assert answer.status_code == 200
    assert "<script>" not in answer.content.decode()


@pytest.mark.parametrize(
    ("name", "words", "html"),
    [
        ("checkout-api", ["check", "api"], "<mark>check</mark>out-<mark>api</mark>"),
        ("checkout", ["check", "heck"], "<mark>check</mark>out"),
        ("<b>&", ["b"], "&lt;<mark>b</mark>&gt;&amp;"),
        ("Straße", ["strasse"], "Straße"),
    ],
)
def test_found_words_are_marked_and_everything_is_escaped(name: str, words: list[str], html: str) -> None:
    assert marked(name, words) == html
