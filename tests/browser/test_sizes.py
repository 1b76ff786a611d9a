"""Sizes and single pods in a browser: a size for a while that is ended early, a container resized where it runs, one pod restarted."""

import json
import re

from playwright.sync_api import Page, expect

from tests.browser import axe
from tests.browser.conftest import SignIn
from tests.browser.demo import Demo
from tests.browser.test_journeys import ask, expect_state
from tests.cluster import eventually

WIDTHS = (1440, 390)


def opens(page: Page, action: str) -> None:
    found = page.request.get("/api/workloads?service=payment-gateway&environment=staging").json()["items"]
    page.goto(f"/services/payment-gateway/{action}?workload={found[0]['id']}")


def fits(page: Page) -> None:
    """Accessible, and no wider than the window, on a desk and on a phone."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        assert axe.violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{page.url} at {width} px"
    page.set_viewport_size({"width": 1440, "height": 900})


def replicas(afterdeck: Demo) -> int:
    found = afterdeck.kubectl("-n", "payments-staging", "get", "deployment", "payment-gateway", "-o", "json")
    return int(json.loads(found)["spec"]["replicas"])


def test_a_size_for_a_while_says_when_it_ends_and_is_ended_early(sign_in: SignIn, afterdeck: Demo) -> None:
    mira, before = sign_in("mira"), replicas(afterdeck)
    opens(mira, "resize-workload")
    mira.get_by_label("Replicas", exact=True).fill(str(before + 1))
    mira.get_by_label("For how many minutes", exact=True).fill("90")
    expect(mira.locator("#plan")).to_contain_text(f"After 1 h 30 min. Then it goes back to {before} by itself.")
    fits(mira)
    ask(mira, "A load test until noon.", "Resize now")
    expect_state(mira, "Succeeded")
    fits(mira)
    mira.get_by_role("button", name="End it now").click()
    eventually(lambda: replicas(afterdeck) == before)
    expect(mira.get_by_text("Mira Novak ended it.")).to_be_visible(timeout=60_000)


def test_a_container_is_resized_where_it_runs(sign_in: SignIn) -> None:
    mira = sign_in("mira")
    opens(mira, "resize-containers")
    expect(mira.get_by_role("heading", name="Nothing changes yet")).to_be_visible()
    mira.get_by_label("Memory limit", exact=True).fill("64m")
    expect(mira.get_by_text("That is less than 1 Mi; give a unit, such as 256Mi.").first).to_be_visible()
    mira.get_by_label("Memory limit", exact=True).fill("512Mi")
    mira.get_by_label("In place").check()
    expect(mira.locator("#plan")).to_contain_text("No restart.")
    expect(mira.locator("#plan")).to_contain_text("memory: 512Mi")
    fits(mira)
    ask(mira, "Close to its limit since this morning.", "Resize containers now")
    expect_state(mira, "Succeeded")


def test_one_pod_of_the_list_is_restarted(sign_in: SignIn, afterdeck: Demo) -> None:
    mira = sign_in("mira")
    opens(mira, "evict-pod")
    pods = mira.get_by_role("radio")
    name = pods.last.get_attribute("value") or ""
    pods.last.check()
    expect(mira.locator("#plan")).to_contain_text(f"Pod payments-staging/{name}")
    fits(mira)
    ask(mira, "It answers slower than the others.", "Restart one pod now")
    expect_state(mira, "Succeeded")
    left = afterdeck.kubectl("-n", "payments-staging", "get", "pods", "-o", "name")
    assert re.search(rf"^pod/{name}$", left, re.MULTILINE) is None
