"""The policy by machine: what the pages say and do about it, with the same gate."""

from pathlib import Path
from typing import Any

from actions import policies
from approvals import loader
from approvals.models import PolicyVersion
from inventory.models import Person, Workload
from tests.characters import People, asks
from tests.portal.api.conftest import Caller

SHIPPED = (loader.DEFAULT_DIRECTORY / "default.yaml").read_text()


def test_everybody_reads_it_and_administrators_agree_to_another(
    people: People, script: Caller, settings: Any, tmp_path: Path
) -> None:
    first = policies.take_note()
    (tmp_path / "default.yaml").write_text(SHIPPED.replace("-50.0", "-70.0"))
    changes = {"policy_dir": tmp_path, "policy_approvals": 1}
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update=changes)
    proposed = policies.take_note()
    told = script(people.leila, "read").get("/api/policy").json()
    assert (told["digest"], told["agreeing"], told["rules"][0]["id"]) == (first.digest, 1, "nobody-outside")
    assert told["rules"][0]["rule"]["deny"] is True
    assert {each["digest"]: each["state"] for each in told["versions"]} == {
        first.digest: "adopted",
        proposed.digest: "proposed",
    }

    address = f"/api/policy/versions/{proposed.digest}/votes"
    vote = {"decision": "approve", "digest": proposed.digest}
    assert script(people.mira).post(address, vote, format="json").status_code == 403
    assert script(people.kofi, "read").post(address, vote, format="json").status_code == 403
    assert script(people.kofi).post(address, {**vote, "digest": "0" * 64}, format="json").status_code == 409
    assert script(people.kofi).post("/api/policy/versions/none/votes", vote, format="json").status_code == 404
    agreed = script(people.kofi, "approve").post(address, vote, format="json")
    assert (agreed.status_code, agreed.json()["state"]) == (201, "adopted")
    assert PolicyVersion.objects.get(digest=first.digest).state == "retired"


def test_another_policy_is_replayed_and_the_present_one_simulated(
    people: People, script: Caller, checkout: Workload
) -> None:
    made = asks(people.mira, "restart-workload", checkout)
    stricter = SHIPPED.replace("count: 1, of: owning-team-approvers, esc", "count: 2, of: owning-team-approvers, esc")
    body = {"files": {"default.yaml": stricter}}
    found = script(people.mira).post("/api/policy/replay", body, format="json").json()
    assert [(each["request"], each["kind"]) for each in found["differences"]] == [(made.pk, "stricter")]
    assert script(people.leila).post("/api/policy/replay", body, format="json").json()["looked_at"] == 0
    wrong = script(people.mira).post("/api/policy/replay", {"files": {"a.yaml": "- {id: x}"}}, format="json")
    assert (wrong.status_code, wrong.json()["errors"]) == (
        422,
        {"files": ["a.yaml:1: rule x: when is missing.", "a.yaml:1: rule x: because is missing."]},
    )

    for files, said in (
        ({"a.yaml": SHIPPED, "b.yml": "- {id: x}"}, "b.yml: call it b.yaml."),
        ({"a.yaml": "- !!int abc"}, "a.yaml:1: tags such as !!int are not used in policies; write it plainly."),
    ):
        wrong = script(people.mira).post("/api/policy/replay", {"files": files}, format="json")
        assert (wrong.status_code, wrong.json()["errors"]["files"][0]) == (422, said)
    with_tests = {"files": {**body["files"], "default.test.yaml": "not even YAML: ["}}
    assert script(people.mira).post("/api/policy/replay", with_tests, format="json").json()["looked_at"] == 1

    question = {"person": "leila", "action": "resize-workload", "target": checkout.pk, "params": {"replicas": 4}}
    answer = script(people.mira).post("/api/policy/simulate", question, format="json")
    assert answer.json()["ruling"]["effect"] == "deny"
    assert script(people.leila).post("/api/policy/simulate", question, format="json").status_code == 404
    wrong_moments = ("2026-12-01T10:00", "1700000000", "0001-01-01T12:00:00+14:00", "9999-12-31T23:59:59-12:00")
    wrongly: list[dict[str, Any]] = [{"person": "nobody"}, {"params": {"replicas": "4"}}]
    for wrong_question in (*wrongly, *({"at": moment} for moment in wrong_moments)):
        refused = script(people.mira).post("/api/policy/simulate", {**question, **wrong_question}, format="json")
        assert refused.status_code == 422


def test_what_is_simulated_tells_nothing_of_strangers(
    people: People, script: Caller, checkout: Workload, settings: Any, tmp_path: Path
) -> None:
    nosy = "size(actor.groups) > 0 && history.actor_requests_last_hour >= 0 && environment.criticality > 0"
    (tmp_path / "a.yaml").write_text(f'- {{id: nosy, when: "{nosy}", allow: true, because: Because.}}')
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": tmp_path})

    def told(viewer: Person, person: str) -> list[str]:
        question = {"person": person, "action": "restart-workload", "target": checkout.pk}
        answer = script(viewer).post("/api/policy/simulate", question, format="json").json()
        return list(answer["ruling"]["answers"][0]["facts"])

    everything = ["actor.groups", "history.actor_requests_last_hour", "environment.criticality"]
    assert told(people.mira, "leila") == ["environment.criticality"]
    for viewer, person in ((people.mira, "mira"), (people.mira, "jonas"), (people.kofi, "leila")):
        assert told(viewer, person) == everything
