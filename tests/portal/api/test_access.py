"""Role by route: what each character may see and do, in a session and with each scope, and that forging more gets nothing."""

import pytest
from django.urls import URLPattern
from rest_framework.test import APIClient

from actions.registry import all_actions
from audit import queries
from inventory.models import Workload
from portal.api import urls
from portal.api.views.endpoint import Endpoint, NoSuchEndpoint
from portal.models import Scope
from tests.characters import People
from tests.portal.api.conftest import Caller
from tests.portal.api.rows import make_workload

ROUTES = {
    ("GET", "/api/me"): Scope.READ,
    ("GET", "/api/environments"): Scope.READ,
    ("GET", "/api/clusters"): Scope.READ,
    ("GET", "/api/services"): Scope.READ,
    ("GET", "/api/services/ledger"): Scope.READ,
    ("GET", "/api/workloads"): Scope.READ,
    ("GET", "/api/workloads/1"): Scope.READ,
    ("GET", "/api/workloads/1/series"): Scope.READ,
    ("GET", "/api/workloads/1/offers"): Scope.READ,
    ("GET", "/api/nodes"): Scope.READ,
    ("GET", "/api/nodes/1"): Scope.READ,
    ("GET", "/api/nodes/1/offers"): Scope.READ,
    ("GET", "/api/requests/1/logs"): Scope.READ,
    ("GET", "/api/actions"): Scope.READ,
    ("GET", "/api/actions/restart-workload"): Scope.READ,
    **{("POST", f"/api/actions/{action.id}/preview"): Scope.REQUEST for action in all_actions()},
    ("POST", "/api/actions/no-such-action/preview"): Scope.REQUEST,
    ("POST", "/api/actions/restart-workload/less"): Scope.REQUEST,
    ("GET", "/api/requests"): Scope.READ,
    ("POST", "/api/requests"): Scope.REQUEST,
    ("GET", "/api/requests/1"): Scope.READ,
    ("POST", "/api/requests/1/votes"): Scope.APPROVE,
    ("POST", "/api/requests/1/withdraw"): Scope.REQUEST,
    ("POST", "/api/requests/1/cancel"): Scope.REQUEST,
    ("POST", "/api/requests/1/undo"): Scope.REQUEST,
    ("POST", "/api/requests/1/undo/preview"): Scope.REQUEST,
    ("POST", "/api/requests/1/resolve"): Scope.APPROVE,
    ("POST", "/api/requests/1/start"): Scope.REQUEST,
    ("POST", "/api/requests/1/start-now"): Scope.REQUEST,
    ("POST", "/api/requests/1/review"): Scope.APPROVE,
    ("POST", "/api/requests/1/claim"): Scope.APPROVE,
    ("POST", "/api/requests/1/release"): Scope.APPROVE,
    ("POST", "/api/requests/1/proposals"): Scope.APPROVE,
    ("POST", "/api/requests/1/proposals/1/confirm"): Scope.REQUEST,
    ("POST", "/api/requests/1/proposals/1/decline"): Scope.REQUEST,
    ("GET", "/api/policy"): Scope.READ,
    ("POST", "/api/policy/versions/abc/votes"): Scope.APPROVE,
    ("POST", "/api/policy/replay"): Scope.READ,
    ("POST", "/api/policy/simulate"): Scope.REQUEST,
    ("GET", "/api/teams/payments/shifts"): Scope.READ,
    ("PUT", "/api/teams/payments/shifts"): Scope.DUTY,
    ("GET", "/api/incidents"): Scope.READ,
    ("PUT", "/api/incidents/INC-1"): Scope.DUTY,
    ("POST", "/api/incidents/INC-1/close"): Scope.DUTY,
    ("GET", "/api/absences"): Scope.READ,
    ("POST", "/api/absences"): Scope.APPROVE,
    ("DELETE", "/api/absences/1"): Scope.APPROVE,
    ("GET", "/api/notices"): Scope.READ,
    ("POST", "/api/notices/read"): Scope.REQUEST,
    ("GET", "/api/notices/preferences"): Scope.READ,
    ("PUT", "/api/notices/preferences"): Scope.REQUEST,
    ("GET", "/api/insights/gates"): Scope.READ,
    ("GET", "/api/approvals"): Scope.READ,
    ("POST", "/api/approvals/alike/abc"): Scope.APPROVE,
    ("GET", "/api/grants"): Scope.READ,
    ("GET", "/api/grants/1"): Scope.READ,
    ("POST", "/api/grants/1/credential"): Scope.REQUEST,
    ("POST", "/api/grants/1/give-back"): Scope.REQUEST,
    ("GET", "/api/audit/events"): Scope.AUDIT,
    ("GET", "/api/audit/events.csv"): Scope.AUDIT,
    ("GET", "/api/audit/events.jsonl"): Scope.AUDIT,
    ("GET", "/api/tokens"): "",
    ("POST", "/api/tokens"): "",
    ("DELETE", "/api/tokens/1"): "",
}
"""Every route and the one scope that opens it to a token; empty where none does."""


def call(client: APIClient, method: str, path: str) -> int:
    return int(client.generic(method, path, "{}", content_type="application/json").status_code)


def views() -> list[type[Endpoint]]:
    patterns = [each for each in urls.urlpatterns if isinstance(each, URLPattern)]
    classes = [each.callback.view_class for each in patterns]  # type: ignore[attr-defined]  # as_view() sets it
    return [each for each in classes if issubclass(each, Endpoint)]


def test_every_route_is_in_this_table() -> None:
    there = {
        (method.upper(), view)
        for view in views()
        for method in ("get", "post", "put", "patch", "delete")
        if hasattr(view, method)
    }
    resolved = set()
    for method, path in ROUTES:
        match = next(m for each in urls.urlpatterns if (m := each.resolve(path.removeprefix("/api/"))))
        view = match.func.view_class  # type: ignore[attr-defined]  # as_view() sets it
        assert view is not NoSuchEndpoint, path
        resolved.add((method, view))
    assert resolved == there


def test_nobody_gets_in_without_signing_in(nobody: APIClient, database: None) -> None:
    for method, path in ROUTES:
        answer = nobody.generic(method, path, "{}", content_type="application/json")
        assert (answer.status_code, answer.json()["code"]) == (401, "not-authenticated"), path
        assert answer["WWW-Authenticate"] == 'Bearer realm="afterdeck"'


@pytest.mark.parametrize("scope", Scope.values)
def test_a_scope_opens_its_routes_and_no_other(ghost: Workload, people: People, script: Caller, scope: str) -> None:
    client = script(people.mira, scope)
    for (method, path), needed in ROUTES.items():
        answer = client.generic(method, path, "{}", content_type="application/json")
        refused = answer.status_code == 403 and answer.json()["code"] == "insufficient-scope"
        assert refused == (scope != needed), (method, path, answer.content)
        if refused:
            assert f'error="insufficient_scope", scope="{needed}"' in answer["WWW-Authenticate"]
    closed = [needed for needed in ROUTES.values() if needed != scope]
    events = queries.events(queries.Filter(verb="access.refused"))
    assert sum("a token without" in event.summary for event in events) == len(closed)


def test_a_session_without_a_csrf_token_writes_nothing(ghost: Workload, people: People, session: Caller) -> None:
    client = session(people.mira, enforce_csrf_checks=True)
    for (method, path), _ in ROUTES.items():
        if method != "GET":
            assert call(client, method, path) == 403


@pytest.mark.parametrize(
    ("who", "sees"),
    [("mira", ["ledger"]), ("jonas", ["ledger"]), ("leila", ["cart"]), ("edda", ["cart", "ledger"]), ("kofi", ["cart", "ledger"])],
)  # fmt: skip
def test_lists_show_what_the_person_sees(
    ghost: Workload, people: People, script: Caller, who: str, sees: list[str]
) -> None:
    make_workload("cart", "storefront")
    client = script(getattr(people, who))
    services = client.get("/api/services").json()["items"]
    workloads = client.get("/api/workloads").json()["items"]
    assert [each["slug"] for each in services] == sees
    assert sorted(each["service"] for each in workloads) == sees


@pytest.mark.parametrize(
    "path", ["/api/services/ledger", "/api/workloads/{id}", "/api/workloads/{id}/offers", "/api/workloads/{id}/series"]
)
def test_an_outsider_is_not_told_that_it_exists(ghost: Workload, people: People, script: Caller, path: str) -> None:
    outsider, owner, path = script(people.leila), script(people.mira), path.format(id=ghost.pk)
    assert owner.get(path).status_code == 200
    hidden, missing = (
        outsider.get(path).json(),
        outsider.get(path.replace("ledger", "nothing").replace(str(ghost.pk), "987654")).json(),
    )
    assert (hidden["status"], hidden["detail"]) == (404, missing["detail"])


@pytest.mark.parametrize("endpoint", ["/api/requests", "/api/actions/restart-workload/preview"])
def test_an_outsider_cannot_ask(ghost: Workload, people: People, script: Caller, endpoint: str) -> None:
    body = {"target": ghost.pk, "params": {}}
    if endpoint == "/api/requests":
        body |= {"action": "restart-workload", "reason": "because"}
    answer = script(people.leila).post(endpoint, body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (404, "not-found")


FORGED = {
    "requester": 1, "state": "approved", "round": None, "entrance": "web", "ruling": {"effect": "allow"}, "risk": 1, "actor": "kofi",
    "undo_of": 1, "environment": "dev", "plan_text": "{}", "submission_key": "x", "from_form": True,
}  # fmt: skip


def test_a_forged_field_is_refused_by_name(ghost: Workload, people: People, script: Caller) -> None:
    client = script(people.mira)
    for field, value in FORGED.items():
        body = {"action": "restart-workload", "target": ghost.pk, "reason": "because", field: value}
        answer = client.post("/api/requests", body, format="json")
        assert (answer.status_code, list(answer.json()["errors"])) == (422, [field])


def test_headers_do_not_make_somebody_else(people: People, script: Caller) -> None:
    client = script(people.mira)
    for header in ("Impersonate-User", "X-Remote-User", "Remote-User", "X-Forwarded-User"):
        me = client.get("/api/me", headers={header: "kofi"}).json()
        assert (me["username"], me["is_admin"]) == ("mira", False)
