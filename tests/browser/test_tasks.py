"""A task and a node in a browser: fields that a template bounds, a log that is read while the page stays, and the machines."""

from playwright.sync_api import expect

from tests.browser.conftest import SignIn
from tests.browser.test_access import fits
from tests.browser.test_journeys import ask, expect_state


def test_a_task_is_filled_in_run_and_its_log_is_read(sign_in: SignIn) -> None:
    mira = sign_in("mira")
    pk = mira.request.get("/api/workloads?service=checkout-api&environment=staging").json()["items"][0]["id"]
    mira.goto(f"/services/checkout-api/run-task?workload={pk}")
    batch = mira.get_by_label("Batch size", exact=True)
    expect(batch).to_have_value("500")
    batch.fill("7")
    expect(mira.locator("#problem-values-BATCH_SIZE")).to_have_text("At least 10.")
    batch.fill("70")
    expect(mira.locator("#plan .ad-diff")).to_contain_text("70")
    fits(mira)

    ask(mira, "Two orders cannot be found.", "Run task")
    mira.get_by_text("What it writes").click()
    expect_state(mira, "Succeeded")
    expect(mira.locator("#run-log pre")).to_contain_text("index built")
    fits(mira)


def test_an_administrator_finds_a_node_and_sees_what_a_drain_would_move(sign_in: SignIn) -> None:
    kofi = sign_in("kofi")
    kofi.get_by_role("link", name="Nodes").click()
    expect(kofi.get_by_role("row")).to_have_count(4)
    fits(kofi)
    kofi.get_by_label("Actions on node-a").click()
    kofi.get_by_role("link", name="Drain").click()
    expect(kofi.get_by_role("heading", name="Runs now, nobody has to be asked")).to_be_visible(timeout=30_000)
    expect(kofi.locator("#plan")).to_contain_text("Room elsewhere")
    fits(kofi)
