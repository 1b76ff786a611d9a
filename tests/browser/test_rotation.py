"""Rotation in a browser: agree to it, type the value in once, and watch it reach everybody who reads it."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import SignIn
from tests.browser.test_access import fits
from tests.browser.test_journeys import ask, expect_state

TYPED = "typed-in-a-browser-4711"


def test_a_value_is_typed_in_once_and_reaches_all_that_read_it(sign_in: SignIn) -> None:
    mira = sign_in("mira")
    mira.goto("/services/checkout-api")
    stripe = mira.get_by_role("listitem").filter(has_text="secret/payments/checkout-api/stripe")
    stripe.get_by_role("link", name="Rotate").click()
    mira.get_by_label("Type it in").check()
    mira.get_by_role("textbox", name="Keys").fill("api_key")
    expect(mira.locator("#plan")).to_contain_text("api_key: typed in when it runs")
    expect(mira.locator("#plan")).to_contain_text("version 1: destroyed")
    fits(mira)
    ask(mira, "It was pasted into a chat.", "Ask for approval")

    jonas = sign_in("jonas")
    jonas.goto(mira.url)
    jonas.get_by_role("button", name=re.compile("^Approve")).click()
    expect(jonas.get_by_text(re.compile("Hand in the new value, and it begins")).first).to_be_visible()

    mira.reload()
    mira.get_by_role("link", name="Hand in the value").click()
    fits(mira)
    mira.get_by_label("api_key").fill(TYPED)
    mira.get_by_role("button", name="Hand it in").click()
    expect_state(mira, "Succeeded")
    expect(mira.get_by_text("version 1 is refused: destroyed").first).to_be_visible()
    assert TYPED not in mira.content()
    fits(mira)
