"""Access in a browser: ask for it, get the credential in two clicks, use it, give it back."""

import re
import subprocess
import sys
from pathlib import Path

import hvac
import pytest
from playwright.sync_api import Page, expect

from tests.browser import axe
from tests.browser.conftest import SignIn
from tests.browser.demo import Demo
from tests.browser.test_journeys import ask, expect_state
from tests.cluster import eventually

WIDTHS = (1440, 390)


def fits(page: Page) -> None:
    """Accessible, and no wider than the window, on a desk and on a phone."""
    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 844})
        assert axe.violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), f"{page.url} at {width} px"
    page.set_viewport_size({"width": 1440, "height": 900})


def kubectl(kubeconfig: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("kubectl")
    command = [str(program), f"--kubeconfig={kubeconfig}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_access_to_a_namespace_is_asked_for_used_and_given_back(
    sign_in: SignIn, afterdeck: Demo, tmp_path: Path
) -> None:
    mira = sign_in("mira")
    pk = mira.request.get("/api/workloads?service=checkout-api&environment=staging").json()["items"][0]["id"]
    mira.goto(f"/services/checkout-api/get-namespace-access?workload={pk}")
    mira.get_by_label("Run commands in pods").check()
    mira.get_by_role("textbox", name="For how many minutes").fill("30")
    expect(mira.locator("#plan")).to_contain_text("name: afterdeck-exec")
    expect(mira.locator("#plan")).to_contain_text("30 min after it begins")
    fits(mira)
    ask(mira, "The cache answers slowly, I want to look.", "Get access now")
    expect_state(mira, "Succeeded")
    fits(mira)

    mira.get_by_role("link", name="Get the credential").click()
    fits(mira)
    mira.get_by_role("button", name="Get the credential").click()
    fits(mira)
    mira.get_by_role("button", name="Reveal the kubeconfig").click()
    fits(mira)
    with mira.expect_download() as download:
        mira.get_by_role("link", name="Download").click()
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(Path(download.value.path()).read_text())
    assert "checkout-api" in kubectl(kubeconfig, "get", "pods").stdout
    assert "forbidden" in kubectl(kubeconfig, "get", "secrets").stderr

    mira.goto("/access")
    expect(mira.get_by_text(re.compile(r"2\d min \d\d s")).first).to_be_visible()
    fits(mira)
    mira.goto("/")
    mira.get_by_role("button", name=re.compile("Give back: .* for 30 min")).last.click()
    expect(mira.get_by_text(re.compile("ended it")).first).to_be_visible(timeout=60_000)
    mira.goto("/access")
    expect(mira.get_by_role("heading", name="Ended lately")).to_be_visible()
    eventually(lambda: kubectl(kubeconfig, "get", "pods").returncode != 0, 60)


def test_access_to_a_secret_is_agreed_started_fetched_and_refused_afterwards(sign_in: SignIn, afterdeck: Demo) -> None:
    mira = sign_in("mira")
    mira.goto("/services/checkout-api")
    row = mira.locator("li", has_text="payments/checkout-api/session")
    row.get_by_role("link", name="Get access").click()
    mira.get_by_label("checkout read").check()
    expect(mira.locator("#plan")).to_contain_text("explicit_max_ttl")
    fits(mira)
    path = ask(mira, "Customers are signed out: is the key the old one?", "Ask for approval")
    ines = sign_in("ines")
    ines.goto(path)
    ines.get_by_role("button", name=re.compile("^Approve")).click()
    expect(mira.get_by_text("Its time counts from when you start it").first).to_be_visible(timeout=30_000)
    fits(mira)
    mira.get_by_role("button", name="Start").first.click()
    expect_state(mira, "Succeeded")
    mira.get_by_role("link", name="Get the credential").click()
    mira.get_by_role("button", name="Get the credential").click()
    mira.get_by_role("button", name="Reveal the vault token").click()
    address, token = mira.locator("section[role=status] code").all_text_contents()
    vault = hvac.Client(url=address, token=token)
    path_of_it = "payments/checkout-api/session"
    assert vault.secrets.kv.v2.read_secret_version(path_of_it, raise_on_deleted_version=True)["data"]["data"]
    mira.goto(path)
    mira.get_by_role("button", name="Give it back now").click()
    expect(mira.get_by_text(re.compile("ended it")).first).to_be_visible(timeout=60_000)
    with pytest.raises(hvac.exceptions.Forbidden):
        vault.secrets.kv.v2.read_secret_version(path_of_it, raise_on_deleted_version=True)
