"""The running demo, and a browser for each person who uses it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import chromium, demo
from tests.browser.demo import Demo

SignIn = Callable[[str], Page]


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args: dict[str, Any]) -> dict[str, Any]:
    return {**browser_type_launch_args, "executable_path": str(chromium.executable()), "args": list(chromium.FLAGS)}


@pytest.fixture(scope="session")
def afterdeck() -> Iterator[Demo]:
    with demo.running() as started:
        yield started


@pytest.fixture
def sign_in(browser: Browser, afterdeck: Demo) -> Iterator[SignIn]:
    """`sign_in("mira")` gives Mira's own browser. No page may log an error: a CSP refusal or a script's mistake is one."""
    pages, errors = [], list[str]()

    def opened(username: str) -> Page:
        context = browser.new_context(viewport={"width": 1440, "height": 900}, base_url=afterdeck.url, locale="en-GB")
        page = context.new_page()
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto("/sign-in")
        page.get_by_label("User name").fill(username)
        page.get_by_label("Password").fill(afterdeck.password)
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("link", name="Afterdeck, home").wait_for()
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.context.close()
    unexpected = [
        error for error in errors if "status of 4" not in error
    ]  # a refusal is a page of ours, and logged by the browser
    assert unexpected == []
