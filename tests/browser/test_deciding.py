"""Deciding in a browser: an offer that needs less, less than was asked, the queue by keyboard, broken glass and its review, the policy."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser import axe
from tests.browser.conftest import SignIn
from tests.browser.test_journeys import ask, expect_state, open_form
from tests.browser.test_sizes import fits
from tests.cluster import eventually

SOON = 30_000


def number_of(path: str) -> str:
    return path.rpartition("/")[2]


def opens_in_queue(page: Page, path: str) -> None:
    page.goto(f"/approvals?request={number_of(path)}")
    expect(page.locator("#detail .ad-diff").first).to_be_visible()


def test_what_is_too_much_is_met_by_an_offer_and_what_is_asked_by_less(sign_in: SignIn) -> None:
    """The form offers the nearest ask that is not denied; an approver would rather agree to less still, and the requester confirms it."""
    mira, jonas = sign_in("mira"), sign_in("jonas")
    open_form(mira, "payment-gateway", "Resize", "production")
    before = int(mira.get_by_label("Replicas", exact=True).input_value())
    mira.get_by_label("Replicas", exact=True).fill("1")
    expect(mira.get_by_role("heading", name="Denied")).to_be_visible(timeout=SOON)
    offer = mira.locator(".ad-offer")
    expect(offer).to_contain_text("it needs 1 of", timeout=SOON)
    fits(mira)
    offer.get_by_role("button").click()
    expect(mira.get_by_label("Replicas", exact=True)).to_have_value(str(before // 2))
    expect(mira.get_by_role("heading", name=re.compile("Needs 1 of"))).to_be_visible(timeout=SOON)
    path = ask(mira, "Half of them idle at night.", "Ask for approval")

    opens_in_queue(jonas, path)
    jonas.locator("body").press("e")
    jonas.wait_for_url(f"**{path}/proposal")
    jonas.get_by_label("Replicas", exact=True).fill(str(before - 1))
    jonas.get_by_label("Note for").fill("One less, then we look.")
    expect(jonas.locator("#deck")).to_contain_text("You would sign plan", timeout=SOON)
    fits(jonas)
    jonas.get_by_role("button", name=re.compile("^Propose this")).click()
    jonas.wait_for_url(f"**{path}")

    expect(mira.get_by_text("“One less, then we look.”")).to_be_visible(timeout=SOON)  # without loading the page again
    fits(mira)
    mira.get_by_role("button", name=re.compile("^Confirm")).click()
    mira.wait_for_url(lambda url: url.rpartition("/")[2] != number_of(path))
    expect_state(mira, "Succeeded")
    expect(mira.get_by_text(re.compile("Jonas Lindqvist approved")).first).to_be_visible()


def test_the_queue_is_worked_off_by_keyboard(sign_in: SignIn) -> None:
    mira, ines = sign_in("mira"), sign_in("ines")
    paths = []
    for reason in ("The first of two.", "The second of two."):
        open_form(mira, "fraud-scoring", "Restart", "production")
        paths.append(ask(mira, reason, "Ask for approval"))
    opens_in_queue(ines, paths[1])
    ines.keyboard.press("k")
    ines.keyboard.press("j")
    ines.keyboard.press("k")  # at once: none of them is lost, and what stands there is the last
    expect(ines.locator("#detail").get_by_text("“The first of two.”")).to_be_visible()
    expect(ines).to_have_url(re.compile(f"request={number_of(paths[0])}$"))
    expect(ines.get_by_text("“The first of two.”")).to_be_visible()
    ines.locator("body").press("?")
    expect(ines.get_by_role("heading", name="Keys")).to_be_visible()
    ines.keyboard.press("Escape")
    ines.keyboard.press("r")
    ines.keyboard.type("Once is enough.")
    ines.evaluate("document.activeElement.blur()")
    ines.keyboard.press("j")
    expect(ines.get_by_text("Your note is not sent yet.")).to_be_visible()
    ines.locator("#note").focus()
    ines.keyboard.press("Control+Enter")
    ines.wait_for_url(re.compile(r"/approvals(\?then=\d+)?$"))
    opens_in_queue(ines, paths[1])
    goes_to(ines, "a", "Approve")
    ines.keyboard.press("a")
    ines.wait_for_url(re.compile(r"/approvals(\?then=\d+)?$"))
    mira.goto(paths[0])
    expect_state(mira, "Rejected")
    expect(mira.get_by_text("Once is enough.").first).to_be_visible()
    mira.goto(paths[1])
    expect_state(mira, "Succeeded")


def goes_to(page: Page, key: str, name: str) -> None:
    """As soon as the page listens to it: right after it came in, the key may have been meant for the one before."""
    button = page.get_by_role("button", name=re.compile(f"^{name}"))
    loaded = "performance.timeOrigin + performance.now() > performance.timing.loadEventEnd + 500"
    assert eventually(lambda: page.evaluate(loaded))
    page.keyboard.down(key)
    expect(button).to_be_focused()
    page.keyboard.down(key)  # held down, it comes again, and signs nothing
    page.keyboard.up(key)
    expect(button).to_be_focused()


def test_broken_glass_is_loud_and_owed_until_somebody_else_has_looked(sign_in: SignIn) -> None:
    mira, jonas = sign_in("mira"), sign_in("jonas")
    open_form(mira, "ledger", "Restart", "production")
    expect(mira.get_by_role("heading", name=re.compile("Needs 1 of"))).to_be_visible(timeout=SOON)
    breaks_glass(mira)
    fits(mira)
    path = ask(mira, "Payments fail, and nobody answers.", "Break glass and restart now")
    expect(mira.get_by_role("heading", name="Mira Novak broke glass: it ran before anybody agreed")).to_be_visible()
    assert mira.get_by_role("button", name=re.compile("^It was right")).count() == 0
    expect_state(mira, "Succeeded")
    fits(mira)

    open_form(mira, "ledger", "Restart", "production")
    expect(mira.get_by_role("heading", name=re.compile("Needs 1 of"))).to_be_visible(timeout=SOON)
    expect(mira.get_by_label(re.compile("Break glass"))).to_have_count(0)  # one at a time

    jonas.goto("/approvals")
    expect(jonas.get_by_role("heading", name=re.compile("Break-glass to review"))).to_be_visible()
    opens_in_queue(jonas, path)
    goes_to(jonas, "a", "It was right")
    jonas.keyboard.press("a")
    jonas.wait_for_url(re.compile(r"/approvals(\?then=\d+)?$"))
    jonas.goto(path)
    expect(jonas.get_by_text("Found right")).to_be_visible()


def breaks_glass(page: Page) -> None:
    page.get_by_label(re.compile("Break glass")).check()
    expect(page.locator("#deck")).to_contain_text("Breaks glass: it runs now, before anybody agrees.", timeout=SOON)
    page.get_by_label("I know what follows, and this cannot wait.").check()


def test_a_policy_is_tried_before_it_decides(sign_in: SignIn) -> None:
    """Somebody else's question is simulated, and another policy is asked about what was asked before; nothing comes of either."""
    kofi = sign_in("kofi")
    kofi.goto("/policy/replay")
    text = kofi.locator("textarea").first
    text.fill(
        text.input_value().replace(
            "environment.criticality < 3\n  allow: true", "environment.criticality < 1\n  allow: true"
        )
    )
    kofi.get_by_role("button", name="Replay").click()
    expect(kofi.get_by_text(re.compile(r"Restart checkout-api")).first).to_be_visible(timeout=SOON)
    expect(kofi.get_by_text("no-rule-matches").first).to_be_visible()
    fits(kofi)
    kofi.goto("/policy/replay")
    text.fill("- id: a\n  when: actor.is_ownr\n  allow: true\n  because: Because.\n")
    kofi.get_by_role("button", name="Replay").click()
    expect(kofi.get_by_text("Did you mean actor.is_owner?").first).to_be_visible()


@pytest.mark.parametrize(
    "path",
    [
        "/policy",
        "/policy/simulate",
        "/policy/replay",
        "/insights",
        "/on-call",
        "/profile/absence",
        "/approvals/decided",
    ],
)
def test_the_pages_about_deciding_are_accessible_and_fit(sign_in: SignIn, path: str) -> None:
    page = sign_in("jonas")
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        page.goto(path)
        fits(page)
        assert axe.violations(page) == []
