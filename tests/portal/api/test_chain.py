"""Several changes as one, for programs: previewed, asked for and shown like any action; what is wrong is named by its place."""

from typing import Any

from inventory.models import Workload
from tests.characters import People, Shop
from tests.cluster import Namespace, workload
from tests.portal.api.conftest import Caller


def test_a_program_asks_for_several_changes_as_one(
    shop: Shop, people: People, script: Caller, namespace: Namespace
) -> None:
    namespace.apply(workload("api", replicas=0), workload("worker", replicas=0))
    api, worker = shop.knows("api"), shop.knows("worker")
    mira = script(people.mira)

    seen = mira.post(
        "/api/actions/chain/preview", {"target": api.pk, "params": {"parts": sizes(api, worker)}}, format="json"
    )
    assert seen.status_code == 200, seen.json()
    assert seen.json()["ruling"]["headline"] == "Needs 1 of 2 approvers"
    assert [len(change["lines"]) for change in seen.json()["plan"]["changes"]] == [1, 1]

    body = {
        "action": "chain",
        "target": api.pk,
        "params": {"parts": sizes(api, worker)},
        "reason": "Load.",
        "digest": seen.json()["digest"],
    }
    made = mira.post("/api/requests", body, format="json")
    assert (made.status_code, made.json()["state"]) == (201, "awaiting_approval")
    assert mira.get(made["Location"]).json()["summary"].startswith("2 changes as one: Resize api")

    question = {"action": "chain", "target": api.pk, "params": body["params"]}
    simulated = {
        who: mira.post("/api/policy/simulate", {"person": who, **question}, format="json").json()["ruling"]["effect"]
        for who in ("mira", "leila")
    }
    assert simulated == {"mira": "needs", "leila": "deny"}

    body["params"] = {"parts": sizes(api, worker, replicas="three")}
    refused = mira.post("/api/requests", body, format="json")
    assert refused.status_code in (400, 422)
    assert "parts.0.params.replicas" in str(refused.json())


def sizes(*targets: Workload, replicas: Any = 1) -> list[dict[str, Any]]:
    return [{"action": "resize-workload", "target": target.pk, "params": {"replicas": replicas}} for target in targets]
