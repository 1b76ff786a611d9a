"""What a person sets for themselves."""

import pytest

from tests.characters import People
from tests.portal.web.conftest import SignedIn


def test_times_are_in_the_person_s_own_zone(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.mira)
    assert client.post("/profile", {"time_zone": "Asia/Tokyo"}).headers["Location"] == "/profile"
    page = client.get("/profile").content.decode()
    assert "Times are now in Asia/Tokyo." in page
    people.mira.refresh_from_db()
    assert people.mira.time_zone == "Asia/Tokyo"


@pytest.mark.parametrize("zone", ["", "Mars/Olympus", "../../etc/passwd", "\x00"])
def test_a_zone_that_does_not_exist_is_refused_with_an_example(people: People, signed_in: SignedIn, zone: str) -> None:
    answer = signed_in(people.mira).post("/profile", {"time_zone": zone})
    assert answer.status_code == 422
    assert "Europe/Berlin" in answer.content.decode()


def test_the_theme_is_in_the_first_byte_of_the_next_page(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.mira)
    assert "data-bs-theme" not in client.get("/").content.decode()
    assert client.post("/profile/theme", {"theme": "dark", "next": "/services"}).headers["Location"] == "/services"
    assert '<html lang="en-GB" data-bs-theme="dark">' in client.get("/services").content.decode()
    client.post("/profile/theme", {"theme": ""})
    assert "data-bs-theme" not in client.get("/").content.decode()


def test_a_cookie_from_elsewhere_is_not_put_into_the_page(people: People, signed_in: SignedIn) -> None:
    client = signed_in(people.mira)
    client.cookies["afterdeck_theme"] = '"><script>'
    assert "data-bs-theme" not in client.get("/").content.decode()
    assert client.post("/profile/theme", {"theme": "dark", "next": "//evil.example.com"}).headers["Location"] == "/"
