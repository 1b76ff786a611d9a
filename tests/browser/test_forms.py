"""The form of every action, in a browser, on the demo: it opens with what is true, says what would happen, and can be sent.

Where somebody has to agree, the question is asked and taken back; what runs at once, and what only a run can show, runs to its end.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from playwright.sync_api import Locator, Page, expect

from actions.registry import action_named, all_actions
from tests.browser import axe
from tests.browser.conftest import SignIn
from tests.browser.test_journeys import ask, expect_state
from tests.cluster import eventually

PLAN = 30_000  # milliseconds; the machine is busy
DIGEST = f"registry.example.com/payments/checkout-api@sha256:{'4f' * 32}"


@dataclass(frozen=True)
class Form:
    """Where an action's form is found, what to fill in, and what its plan says then. `opens` is the link's own name on the way."""

    action: str
    says: str
    who: str = "mira"
    on: str = "checkout-api?on=production"
    fills: Mapping[str, str] = field(default_factory=dict)
    picks: tuple[str, ...] = ()
    secret: str = ""

    def __str__(self) -> str:
        return self.action


FORMS = (
    Form("restart-workload", "restartedAt"),
    Form("evict-pod", "uid"),
    Form("rollback-workload", "restartedAt", on="checkout-api?on=staging"),
    Form("resize-workload", "minReplicas: 9", fills={"Minimum": "9"}),
    Form("resize-containers", "512Mi", fills={"Memory request": "512Mi", "Memory limit": "512Mi"}),
    Form("patch-image", DIGEST, fills={"Image": DIGEST}),
    Form("patch-variable", "REGION", fills={"Variable": "REGION", "Value": "eu-west-1"}),
    Form(
        "patch-config",
        "gift_cards: true",
        picks=("features.yaml",),
        fills={"Replace": "gift_cards: false", "By": "gift_cards: true"},
    ),
    Form("get-namespace-access", "afterdeck-view-logs"),
    Form("get-vault-access", "access-checkout-read", secret="secret/payments/checkout-api/session"),
    Form("get-database-access", "VALID UNTIL", secret="database/orders-support"),
)
ELSEWHERE = {
    "run-task": "test_tasks",
    "rotate-secret": "test_rotation",
    "run-cronjob": "needs nothing filled in; tests/actions/test_tasks runs it",
    "suspend-cronjob": "needs nothing filled in; tests/actions/test_tasks runs it",
    "promote-image": "needs a version that was verified in staging, which the demo begins without",
    "get-database-access": "the demo's dynamic role belongs to another service",
    "suspend-gitops": "on a service that Argo CD owns",
    "resume-gitops": "is what ends a suspension",
    "resume-cronjob": "undoes a suspension",
    "uncordon-node": "undoes a cordon",
    "cordon-node": "test_tasks, from the nodes page",
    "drain-node": "test_tasks, from the nodes page",
    "chain": "has a page of its own",
}


def test_every_action_that_people_are_offered_has_its_form_here() -> None:
    assert {form.action for form in FORMS} | set(ELSEWHERE) >= {each.id for each in all_actions() if each.listed}


def there(link: Locator) -> bool:
    """Whether the page has it, after asking for the page again if not."""
    if not link.count():
        link.page.reload()
    return link.count() > 0


def opened(page: Page, form: Form) -> Locator:
    """Follow the way a person takes, and return the plan."""
    title = action_named(form.action).title
    page.goto(f"/services/{form.on}")
    if form.secret:
        link = page.locator(".ad-pairs li", has_text=form.secret).get_by_role("link", name=title, exact=True)
        eventually(lambda: there(link), seconds=90)  # whose it is may be known at the second look only
        link.click()
    else:
        more = page.locator(".ad-more-acts > summary")
        if more.count():
            more.first.click()
        page.locator(".ad-acts").get_by_role(
            "link", name=re.compile(rf"^{re.escape(title)} (Runs|Needs)")
        ).first.click()
    expect(page.get_by_role("heading", level=1, name=re.compile(f"^{re.escape(title)} "))).to_be_visible()
    return page.locator("#plan")


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_a_form_says_what_would_happen_and_can_be_sent(sign_in: SignIn, form: Form) -> None:
    page = sign_in(form.who)
    plan = opened(page, form)
    for choice in form.picks:
        page.get_by_label(choice).first.check()
    for label, text in form.fills.items():
        page.get_by_label(label, exact=True).first.fill(text)
    expect(plan.locator(".ad-diff-of", has_text=form.says).first).to_be_visible(timeout=PLAN)
    assert axe.violations(page) == []
    asks = page.get_by_role("button", name=re.compile("Ask for approval"))
    runs = page.get_by_role("button", name=re.compile("now "))
    expect(asks.or_(runs).first).to_be_enabled()
    if asks.count() == 0:
        return
    ask(page, "The forms are looked at today.", "Ask for approval")
    expect_state(page, "Needs approval")
    assert axe.violations(page) == []
    page.get_by_role("button", name="Withdraw").click()
    expect_state(page, "Withdrawn")
