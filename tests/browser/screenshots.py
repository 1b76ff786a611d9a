"""Takes the pictures of docs/screens/ from a freshly started demo (`make screenshots`), in the states that matter to a person.

Names are those of the pictures in docs/screens/; a page that changes is pictured again by running this, never by hand.
"""

import re
import sys

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser import chromium, demo
from tests.browser.demo import HOUSE, Demo

SCREENS = HOUSE / "docs" / "screens"
DESKTOP, PHONE = {"width": 1440, "height": 960}, {"width": 390, "height": 844}


def main() -> int:
    SCREENS.mkdir(exist_ok=True)
    with demo.running() as started, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium.executable()), args=list(chromium.FLAGS))
        _standing(browser, started)
        _moving(browser, started)
    for picture in sorted(SCREENS.glob("*.png")):
        sys.stdout.write(f"{picture.relative_to(HOUSE)}\n")
    return 0


def _person(browser: Browser, started: Demo, username: str, *, phone: bool = False, dark: bool = False) -> Page:
    context = browser.new_context(
        viewport=PHONE if phone else DESKTOP,  # type: ignore[arg-type]  # Playwright's TypedDict
        base_url=started.url,
        locale="en-GB",
        color_scheme="dark" if dark else "light",
    )
    page = context.new_page()
    page.goto("/sign-in")
    page.get_by_label("User name").fill(username)
    page.get_by_label("Password").fill(started.password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("link", name="Afterdeck, home").wait_for()
    return page


def _standing(browser: Browser, started: Demo) -> None:
    for phone, dark in ((False, False), (False, True), (True, False)):
        suffix = "-phone" if phone else "-dark" if dark else ""
        page = _person(browser, started, "jonas", phone=phone, dark=dark)
        for name, path in {
            "home": "/", "services": "/services", "service": "/services/checkout-api?on=production", "queue": "/approvals",
            "requests": "/requests", "policy": "/policy", "insights": "/insights",
        }.items():  # fmt: skip
            page.goto(path)
            _settle(page)
            page.screenshot(path=str(SCREENS / f"{name}{suffix}.png"))
        page.context.close()
        page = _person(browser, started, "edda", phone=phone, dark=dark)
        page.goto("/audit")
        _settle(page)
        page.screenshot(path=str(SCREENS / f"audit{suffix}.png"))
        page.context.close()


def _moving(browser: Browser, started: Demo) -> None:
    """A request from the form to its end, and one that is taken back."""
    mira, jonas = _person(browser, started, "mira"), _person(browser, started, "jonas")
    mira.goto("/services/checkout-api?on=production")
    mira.get_by_role("link", name=re.compile("^Resize")).first.click()
    mira.get_by_label("Minimum", exact=True).fill("9")
    mira.get_by_label("Reason").fill("Black week is near; the first hour is always the worst.")
    mira.locator("#plan .ad-diff", has_text="minReplicas: 9").wait_for()
    _whole(mira, "action")
    mira.get_by_role("button", name=re.compile("Ask for approval")).click()
    mira.wait_for_url(re.compile(r"/requests/\d+$"))
    jonas.goto(mira.url)
    _settle(jonas)
    _whole(jonas, "request-to-decide")
    jonas.get_by_role("button", name=re.compile("^Approve")).click()
    jonas.locator("h1 .ad-pill", has_text="Verifying").wait_for(timeout=60_000)
    _whole(jonas, "request-verifying")
    jonas.locator("h1 .ad-pill", has_text="Succeeded").wait_for(timeout=90_000)
    _whole(jonas, "request-succeeded")
    mira.goto("/services/invoice-renderer?on=staging")
    mira.get_by_role("link", name=re.compile("^Restart")).first.click()
    mira.get_by_label("Reason").fill("It leaks file handles.")
    mira.get_by_role("button", name=re.compile("Restart now")).click()
    mira.locator("h1 .ad-pill", has_text="Reverted").wait_for(timeout=90_000)
    _whole(mira, "request-reverted")
    _rotated(mira, jonas)
    _access(mira)
    _deciding(mira)


def _rotated(mira: Page, jonas: Page) -> None:
    """A secret, from one version to the next, with its proof."""
    mira.goto("/services/checkout-api?on=production")
    mira.locator(".ad-pairs li", has_text="secret/payments/checkout-api/session").get_by_role(
        "link", name="Rotate"
    ).click()
    mira.locator("#plan .ad-diff", has_text="version: 2").wait_for()
    mira.get_by_label("Reason").fill("Ninety days are over.")
    mira.get_by_role("button", name=re.compile("Ask for approval")).click()
    mira.wait_for_url(re.compile(r"/requests/\d+$"))
    jonas.goto(mira.url)
    jonas.get_by_role("button", name=re.compile("^Approve")).click()
    jonas.locator("h1 .ad-pill", has_text="Succeeded").wait_for(timeout=120_000)
    _whole(jonas, "request-rotated")


def _access(mira: Page) -> None:
    """Access for a while, and what one has."""
    mira.goto("/services/checkout-api?on=staging")
    mira.get_by_role("link", name=re.compile("^Get access")).first.click()
    mira.locator("#plan .ad-diff", has_text="afterdeck-view-logs").first.wait_for()
    mira.get_by_label("Reason").fill("Why do the search tests fail?")
    mira.get_by_role("button", name=re.compile("Get access now")).click()
    mira.locator("h1 .ad-pill", has_text="Succeeded").wait_for(timeout=60_000)
    _whole(mira, "request-access")
    mira.goto("/services/checkout-api/rollback-workload")
    mira.get_by_role("link", name="staging").click()
    mira.locator("#plan .ad-diff").first.wait_for()
    _whole(mira, "roll-back")


def _deciding(mira: Page) -> None:
    """What is too much, with the offer that is not; and glass that is broken in an incident."""
    mira.goto("/services/payment-gateway?on=production")
    mira.get_by_role("link", name=re.compile("^Resize")).first.click()
    mira.get_by_label("Replicas", exact=True).fill("1")
    mira.get_by_label("Reason").fill("They idle at night.")
    mira.locator(".ad-offer").wait_for(timeout=60_000)
    _whole(mira, "offer")
    mira.goto("/services/ledger?on=production")
    mira.get_by_role("link", name=re.compile("^Restart")).first.click()
    mira.get_by_label("Reason").fill("Two of three hold connections to the old primary; payments fail.")
    mira.get_by_label(re.compile("Break glass")).check()
    mira.get_by_label(re.compile("I know what follows")).check()
    _whole(mira, "break-glass")
    mira.get_by_role("button", name=re.compile("^Break glass and")).click()
    mira.locator("h1 .ad-pill", has_text="Succeeded").wait_for(timeout=90_000)
    _whole(mira, "request-broken-glass")


def _whole(page: Page, name: str) -> None:
    """All of a page in one picture, in a window as tall as it: in a scrolled picture the bar at the bottom would lie over the text."""
    page.set_viewport_size(DESKTOP)  # type: ignore[arg-type]  # Playwright's TypedDict; from the picture before it may be tall
    _settle(page)
    height = int(page.evaluate("document.querySelector('main').scrollHeight + 200"))
    page.set_viewport_size({"width": DESKTOP["width"], "height": max(height, DESKTOP["height"])})
    page.screenshot(path=str(SCREENS / f"{name}.png"))


def _settle(page: Page) -> None:
    """Until fonts and what the page asks for by itself are there."""
    expect(page.locator(".htmx-request")).to_have_count(0)
    page.evaluate("document.fonts.ready.then(() => true)")


if __name__ == "__main__":
    sys.exit(main())
