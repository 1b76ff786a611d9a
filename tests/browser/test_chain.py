"""Several changes as one, and a service that Git owns, in a browser on the demo."""

import re

from playwright.sync_api import expect

from tests.browser import axe
from tests.browser.conftest import SignIn
from tests.browser.test_journeys import ask, expect_state

PLAN = 30_000  # milliseconds; the machine is busy


def test_a_service_is_stabilised_with_one_question(sign_in: SignIn) -> None:
    mira = sign_in("mira")
    mira.goto("/services/checkout-api?on=staging")
    more = mira.locator(".ad-more-acts > summary")
    if more.count():
        more.first.click()
    mira.get_by_role("link", name=re.compile("^Do several as one")).first.click()
    expect(mira.get_by_role("heading", level=1, name=re.compile("Do several as one"))).to_be_visible()
    expect(mira.get_by_role("heading", name="Choose two or more")).to_be_visible(timeout=PLAN)
    expect(mira.get_by_label("For how long").first).to_be_hidden()

    mira.get_by_role("checkbox", name=re.compile("^Get access")).first.check()
    mira.get_by_role("checkbox", name=re.compile("^Restart")).first.check()
    plan = mira.locator("#plan")
    expect(plan.get_by_role("heading", name="Runs now, nobody has to be asked")).to_be_visible(timeout=PLAN)
    expect(plan.get_by_text("restartedAt").first).to_be_visible()
    assert axe.violations(mira) == []
    ask(mira, "Checkout hangs.", "Do several as one now")
    expect_state(mira, "Succeeded")
    assert axe.violations(mira) == []


def test_what_git_takes_back_is_refused_with_the_way_out(sign_in: SignIn) -> None:
    noor = sign_in("noor")
    noor.goto("/services/feature-flags/resize-workload")
    noor.locator(".ad-seg").get_by_role("link", name=re.compile("^production")).click()
    noor.get_by_label("Replicas", exact=True).fill("4")
    plan = noor.locator("#plan")
    expect(plan.get_by_role("heading", name="Denied")).to_be_visible(timeout=PLAN)
    expect(plan.get_by_text(re.compile("Suspend its auto-sync first")).first).to_be_visible()
    expect(plan.get_by_text(re.compile(r"reverted in about 5 s by Argo CD, application feature-flags"))).to_be_visible()

    noor.goto("/services/feature-flags?on=production")
    noor.locator(".ad-more-acts > summary").first.click()
    noor.get_by_role("link", name=re.compile("^Suspend auto-sync")).first.click()
    expect(plan.get_by_role("heading", name=re.compile("Needs 1 of"))).to_be_visible(timeout=PLAN)
    expect(plan.get_by_text(re.compile("What is not in Git is taken back in about 5 s"))).to_be_visible()
    assert axe.violations(noor) == []
