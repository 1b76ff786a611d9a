"""The product's main job in a browser, on the demo as anybody starts it: ask, see, agree, watch, take back, export."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser import axe
from tests.browser.conftest import SignIn
from tests.browser.demo import Demo

RUN = 90_000  # milliseconds a rollout and its soak may take on a busy machine


def open_form(page: Page, service: str, action: str, environment: str) -> None:
    page.goto(f"/services/{service}?on={environment}")
    page.get_by_role("link", name=re.compile(rf"^{action}")).first.click()
    expect(page.get_by_role("heading", level=1, name=re.compile(f"{action} .*"))).to_be_visible()


def ask(page: Page, reason: str, button: str) -> str:
    """Fill in the reason, press the button that says what it will do, and return the request's path."""
    page.get_by_label("Reason").fill(reason)
    page.get_by_role("button", name=re.compile(button)).click()
    page.wait_for_url(re.compile(r"/requests/\d+$"))
    return page.url[page.url.index("/requests/") :]


def expect_state(page: Page, state: str) -> None:
    expect(page.locator("h1 .ad-pill")).to_have_text(re.compile(state), timeout=RUN)


def test_a_staging_restart_runs_at_once_and_is_verified(sign_in: SignIn, afterdeck: Demo) -> None:
    mira = sign_in("mira")
    open_form(mira, "checkout-api", "Restart", "staging")
    expect(mira.get_by_role("heading", name="Runs now, nobody has to be asked")).to_be_visible()
    path = ask(mira, "The connection pool is stuck.", "Restart now")
    expect_state(mira, "Succeeded")
    assert axe.violations(mira) == []
    annotations = json.loads(
        afterdeck.kubectl("-n", "payments-staging", "get", "deployment", "checkout-api", "-o", "json")
    )["spec"]["template"]["metadata"]["annotations"]
    assert "kubectl.kubernetes.io/restartedAt" in annotations
    assert "successfully rolled out" in afterdeck.kubectl(
        "-n", "payments-staging", "rollout", "status", "deployment/checkout-api"
    )
    assert (
        len(afterdeck.kubectl("-n", "payments-staging", "rollout", "history", "deployment/checkout-api").splitlines())
        > 3
    )
    log = (afterdeck.directory / "kubernetes" / "audit.log").read_text().splitlines()
    patches = [
        entry
        for entry in map(json.loads, log)
        if entry["verb"] == "patch" and "/deployments/checkout-api" in entry["requestURI"]
    ]
    mine = [e for e in patches if e["objectRef"]["namespace"] == "payments-staging" and "dryRun" not in e["requestURI"]]
    assert mine[-1]["impersonatedUser"]["username"] == "mira"
    mira.goto(f"{path}/events")
    expect(mira.get_by_text("execution.succeeded")).to_be_visible()


def test_a_production_restart_waits_for_an_approver_who_is_not_the_requester(sign_in: SignIn) -> None:
    jonas = sign_in("jonas")
    open_form(jonas, "checkout-api", "Restart", "production")
    expect(jonas.get_by_role("heading", name=re.compile("Needs 1 of"))).to_be_visible()
    path = ask(jonas, "Memory grows since the last deploy.", "Ask for approval")
    expect_state(jonas, "Needs approval")
    expect(jonas.get_by_text(re.compile("You cannot approve this: you asked for it")).first).to_be_visible()
    digest = jonas.locator("[data-copy]").first.get_attribute("data-copy") or ""
    token = jonas.locator("input[name=csrfmiddlewaretoken]").first.get_attribute("value") or ""
    forged = jonas.request.post(
        f"{path}/vote",
        form={"csrfmiddlewaretoken": token, "decision": "approve", "digest": digest},
        headers={"Referer": jonas.url},
    )
    assert forged.status == 403
    ines = sign_in("ines")
    ines.goto("/approvals")
    ines.locator("#queue-list a", has_text="Restart Checkout API").filter(
        has_text="Jonas Lindqvist, production"
    ).click()
    expect(ines.locator("#detail .ad-diff").first).to_contain_text("restartedAt")
    assert axe.violations(ines) == []
    ines.get_by_role("button", name=re.compile("^Approve")).click()
    expect_state(jonas, "Succeeded")
    expect(jonas.get_by_text(re.compile("In.s Carvalho approved")).first).to_be_visible()
    expect(jonas.locator("#notice-count")).to_contain_text("unread")  # without loading the page again
    jonas.get_by_role("link", name="Notices").click()
    jonas.get_by_role("button", name=re.compile("everybody who had to agree has agreed")).first.click()
    jonas.wait_for_url(f"**{path}")


def test_a_restart_whose_image_is_gone_is_taken_back_by_itself(sign_in: SignIn) -> None:
    mira = sign_in("mira")
    open_form(mira, "invoice-renderer", "Restart", "staging")
    ask(mira, "It leaks file handles.", "Restart now")
    expect_state(mira, "Reverted")
    expect(
        mira.get_by_role("heading", name=re.compile("image cannot be pulled|could not be pulled")).first
    ).to_be_visible()
    assert axe.violations(mira) == []


def test_resizing_with_an_autoscaler_changes_its_bounds(sign_in: SignIn, afterdeck: Demo) -> None:
    mira = sign_in("mira")
    open_form(mira, "checkout-api", "Resize", "production")
    mira.get_by_label("Minimum", exact=True).fill("9")
    expect(mira.locator("#plan .ad-diff").first).to_contain_text("minReplicas: 9")
    ask(mira, "Black week is near.", "Ask for approval")
    ines = sign_in("ines")
    ines.goto(mira.url)
    expect(ines.locator("#request-live .ad-diff").first).to_contain_text("minReplicas: 9")
    ines.get_by_role("button", name=re.compile("^Approve")).click()
    expect_state(ines, "Succeeded")
    bounds = afterdeck.kubectl(
        "-n", "payments-production", "get", "hpa", "checkout-api", "-o", "jsonpath={.spec.minReplicas}"
    )
    assert bounds == "9"


def test_the_auditor_exports_the_history(sign_in: SignIn, tmp_path: Path) -> None:
    edda = sign_in("edda")
    edda.goto("/audit?verb=vote.refused")
    assert axe.violations(edda) == []
    edda.goto("/audit")
    edda.locator("summary", has_text="Export").click()
    with edda.expect_download() as download:
        edda.get_by_role("button", name=re.compile("^CSV")).click()
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert {"request.submitted", "vote.cast", "execution.succeeded"} <= {row["verb"] for row in rows}
    with edda.expect_download() as lines:
        edda.get_by_role("button", name=re.compile("^JSON")).click()
    events = [json.loads(line) for line in Path(lines.value.path()).read_text().splitlines()]
    assert len(events) >= len(rows) - 1


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/services",
        "/services/checkout-api",
        "/approvals",
        "/audit",
        "/requests",
        "/profile",
        "/notices",
        "/notices/settings",
    ],
)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible_in_both_themes_and_on_a_phone(sign_in: SignIn, path: str, theme: str) -> None:
    page = sign_in("ines")
    page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
    for width in (1440, 390):
        page.set_viewport_size({"width": width, "height": 844})
        page.goto(path)
        assert axe.violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), (
            f"{path} scrolls sideways at {width} px"
        )
