"""What needs less is one click away, and what is for later says when, in a browser on the demo."""

from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.conftest import SignIn
from tests.browser.test_journeys import ask, expect_state


def test_less_is_filled_in_by_one_click_and_runs_at_its_time(sign_in: SignIn) -> None:
    mira = sign_in("mira")
    mira.goto("/services/checkout-api?on=production")
    mira.goto(str(mira.locator("a[href*='/resize-workload']").first.get_attribute("href")))
    least, most = mira.locator("#f-min_replicas"), mira.locator("#f-max_replicas")
    wanted = {field: int(str(field.get_attribute("data-now"))) // 4 for field in (least, most)}
    for field, value in wanted.items():
        field.fill(str(value))
    expect(mira.get_by_role("heading", name="Denied")).to_be_visible()
    use = mira.get_by_role("button", name="Use these")
    expect(use).to_be_visible(timeout=30_000)
    assert axe.violations(mira) == []
    use.click()
    expect(mira.get_by_role("heading", name="Needs 1 of 2 approvers")).to_be_visible(timeout=30_000)
    assert all(int(field.input_value()) > value for field, value in wanted.items())

    mira.get_by_text("Run it later").click()
    tomorrow = datetime.now(ZoneInfo("Europe/Berlin")) + timedelta(days=1)
    mira.get_by_label("Not before").fill(f"{tomorrow:%Y-%m-%dT22:30}")
    expect(mira.locator("#deck")).to_contain_text(f"to run {tomorrow:%a} 22:30", timeout=30_000)
    ask(mira, "At night nobody buys.", "Ask for approval")
    jonas = sign_in("jonas")
    jonas.goto(mira.url)
    jonas.get_by_role("button", name=f"for {tomorrow:%a} 22:30").click()
    expect(jonas.get_by_text("Scheduled")).to_be_visible()
    assert axe.violations(jonas) == []
    mira.get_by_role("button", name="Withdraw").click()
    expect_state(mira, "Withdrawn")
