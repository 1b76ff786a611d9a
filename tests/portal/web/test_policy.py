"""The policy as pages: everybody reads it, administrators agree to another one, and anybody may ask what it would have answered."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from actions import policies
from actions.models import Request
from approvals import loader
from approvals.facts import Approver
from approvals.models import PolicyVersion
from inventory.models import Person, Workload
from tests.approvals.written import OWNER
from tests.characters import People
from tests.portal.web.conftest import SignedIn, Town

SHIPPED = (loader.DEFAULT_DIRECTORY / "default.yaml").read_text()
LARGER = SHIPPED.replace("plan.percent < -50.0", "plan.percent < -70.0")


@pytest.fixture
def proposed(people: People, settings: Any, tmp_path: Path) -> PolicyVersion:
    """Files that hold something else than what decides."""
    policies.take_note()
    (tmp_path / "default.yaml").write_text(LARGER)
    (tmp_path / "default.test.yaml").write_text("- {test: zero, facts: {plan.to_zero: true}, expect: allow}\n")
    changes = {"policy_dir": tmp_path, "policy_approvals": 1}
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update=changes)
    return policies.take_note()


def page(signed_in: SignedIn, person: Person, address: str) -> str:
    return signed_in(person).get(address).content.decode()


def test_everybody_reads_the_policy_with_its_rules_schedules_tests_and_versions(
    people: People, signed_in: SignedIn
) -> None:
    version = policies.take_note()
    for person in (people.mira, people.leila, people.edda):
        text = page(signed_in, person, "/policy")
        for rule in loader.load().rules:
            assert f'id="rule-{rule.id}"' in text
            assert rule.where in text
        assert "20 Dec 2099, 00:00 to 2 Jan 2100, 00:00, Europe/Berlin" in text
        assert "Begins 20 Dec 2099" in text
        assert "69 tests." in text
        assert f"/policy/versions/{version.digest}" in text
    assert page(signed_in, people.mira, f"/policy/versions/{version.digest}").count("<ins>") > 100
    assert signed_in(people.mira).get("/policy/versions/nothing").status_code == 404
    assert signed_in(people.mira).post("/policy").status_code == 405


def test_a_proposed_policy_is_agreed_to_on_its_page(
    people: People, signed_in: SignedIn, proposed: PolicyVersion
) -> None:
    assert "which decides only when administrators agree" in page(signed_in, people.mira, "/policy")
    address = f"/policy/versions/{proposed.digest}"
    text = page(signed_in, people.kofi, address)
    assert "changed production-shrink-at-most-half" in text
    assert "<ins>+  when: environment.criticality &gt;= 3 &amp;&amp; plan.percent &lt; -70.0" in text
    assert "1 of 1 test fails." in text
    assert "Agree</button>" in text
    assert "Agree</button>" not in page(signed_in, people.mira, address)

    body = {"digest": proposed.digest, "decision": "approve"}
    assert signed_in(people.mira).post(f"{address}/decide", body).status_code == 403
    assert signed_in(people.kofi).get(f"{address}/decide").status_code == 405
    stale = signed_in(people.kofi).post(f"{address}/decide", {**body, "digest": "0" * 64})
    assert (stale.status_code, PolicyVersion.objects.get(pk=proposed.pk).state) == (409, "proposed")
    refusing = signed_in(people.kofi).post(f"{address}/decide", {**body, "decision": "reject"})
    assert "Say why in the note" in refusing.content.decode()
    answer = signed_in(people.kofi).post(f"{address}/decide", body, follow=True)
    assert "Agreed, and on the record." in answer.content.decode()
    assert PolicyVersion.objects.get(pk=proposed.pk).state == "adopted"


def test_a_refused_policy_can_be_asked_about_again(
    people: People, signed_in: SignedIn, proposed: PolicyVersion
) -> None:
    body = {"digest": proposed.digest, "decision": "reject", "note": "Too much at once."}
    signed_in(people.kofi).post(f"/policy/versions/{proposed.digest}/decide", body)
    assert "The files hold a policy that was refused" in page(signed_in, people.mira, "/policy")
    assert "Too much at once." in page(signed_in, people.mira, f"/policy/versions/{proposed.digest}")
    signed_in(people.mira).post("/policy/ask-again")
    assert PolicyVersion.objects.get(pk=proposed.pk).state == "rejected"
    signed_in(people.kofi).post("/policy/ask-again")
    assert PolicyVersion.objects.get(pk=proposed.pk).state == "proposed"


@pytest.fixture
def shrunk(people: People, town: Town) -> Any:
    """Somebody asked for much less of a service of team payments, and was denied."""
    approvers = (Approver(people.jonas.identity, "jonas", "Jonas"),)
    plan = replace(OWNER.plan, percent=-60.0)
    facts = replace(
        OWNER, requester_identity=people.mira.identity, people={"owning-team-approvers": approvers}, plan=plan
    )
    workload = town.workload(town.service("checkout-api"))
    return town.request(people.mira, workload, state="denied", facts=[facts.stored()])


def test_another_policy_is_replayed_over_what_one_sees(people: People, signed_in: SignedIn, shrunk: Any) -> None:
    def replayed(person: Person, text: str, **more: Any) -> str:
        answer = signed_in(person).post("/policy/replay", {"name": "default.yaml", "text": text, "days": "7", **more})
        return answer.content.decode()

    assert "- id: nobody-outside" in page(signed_in, people.mira, "/policy/replay")
    assert "1 request, and none would be answered otherwise" in replayed(people.mira, SHIPPED.replace("\n", "\r\n"))
    text = replayed(people.mira, LARGER)
    assert "1 of 1 requests would be answered otherwise" in text
    assert "Would be let through with less" in text
    assert f'href="/requests/{shrunk.pk}"' in text
    assert "Needs 1 of 1 approver" in text
    assert "0 requests, and none" in replayed(people.leila, LARGER)
    uploaded = SimpleUploadedFile("default.yaml", LARGER.encode())
    assert "1 of 1 requests" in replayed(people.mira, SHIPPED, upload=uploaded)

    wrong = signed_in(people.mira).post("/policy/replay", {"name": "x.yaml", "text": "- {id: x}"})
    assert (wrong.status_code, "x.yaml:1: rule x: when is missing." in wrong.content.decode()) == (422, True)
    bytes_of_no_text = SimpleUploadedFile("x.yaml", b"\xff")
    assert "not UTF-8" in replayed(people.mira, SHIPPED, upload=bytes_of_no_text)
    misnamed = SimpleUploadedFile("default.yml", LARGER.encode())
    assert "default.yml: call it default.yaml." in replayed(people.mira, SHIPPED, upload=misnamed)


def test_an_earlier_version_is_replayed(
    people: People, signed_in: SignedIn, shrunk: Any, proposed: PolicyVersion
) -> None:
    assert "1 of 1 requests would be answered otherwise" in page(
        signed_in, people.mira, f"/policy/replay?version={proposed.digest}"
    )
    assert signed_in(people.mira).get("/policy/replay?version=x%00").status_code == 404


def test_what_is_simulated_is_chosen_among_what_one_sees(people: People, signed_in: SignedIn, town: Town) -> None:
    workload = town.workload(town.service("checkout-api"))
    link = f"/policy/simulate/checkout-api/restart-workload?workload={workload.pk}"
    assert link in page(signed_in, people.mira, "/policy/simulate?service=checkout-api")
    assert "There is no such service that you can see." in page(
        signed_in, people.leila, "/policy/simulate?service=checkout-api"
    )
    assert signed_in(people.leila).get(link).status_code == 404


def test_the_answer_for_somebody_else_and_for_another_time(
    people: People, signed_in: SignedIn, checkout: Workload, settings: Any, tmp_path: Path
) -> None:
    frozen = SHIPPED.replace("2099-12-20", "2031-12-20").replace("2100-01-02", "2032-01-02")
    (tmp_path / "default.yaml").write_text(frozen)
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": tmp_path})
    address = f"/policy/simulate/{checkout.service.slug}/resize-workload"

    def simulated(**typed: str) -> str:
        query = {"workload": str(checkout.pk), "ask": "yes", "replicas": "4", **typed}
        answer = signed_in(people.mira).get(address, query)
        return " ".join(answer.content.decode().split())

    opened = signed_in(people.mira).get(address, {"workload": checkout.pk}).content.decode()
    assert 'name="replicas"' in opened
    assert "Choose who and when, and ask." in opened
    mine = simulated(who="mira", at="2031-12-01T10:00")
    assert "production-needs-approver" in mine
    assert "Jonas" in mine
    theirs = simulated(who="leila", at="2031-12-01T10:00")
    assert "nobody-outside" in theirs
    late = simulated(who="mira", at="2031-12-24T10:00")
    assert "frozen-at-year-end" in late
    assert "It can be set aside by 1 of 1 (administrators)." in late
    assert "2 Jan" in late
    assert "production-shrink-at-most-half" not in late
    assert "Nobody is called that." in simulated(who="nobody", at="2031-12-01T10:00")
    assert "At least 0" in simulated(who="mira", at="2031-12-01T10:00", replicas="-4")
    assert simulated(who="mira", at="never").count("ad-problem") > 0
    assert not Request.objects.exists()


def test_several_as_one_are_simulated_for_somebody_else_too(
    people: People, signed_in: SignedIn, checkout: Workload
) -> None:
    address = f"/policy/simulate/{checkout.service.slug}/chain"
    restart, access = f"restart-workload-{checkout.pk}", f"get-namespace-access-{checkout.pk}"
    both: dict[str, Any] = {
        "ask": "yes",
        "part": [restart, access],
        f"{access}.role": "afterdeck-view-logs",
        f"{access}.minutes": "30",
    }
    both |= {f"{access}.identity": "token"}

    def simulated(status: int = 200, person: Person = people.mira, **typed: Any) -> str:
        answer = signed_in(person).get(address, {"workload": str(checkout.pk), **typed})
        assert answer.status_code == status
        return " ".join(answer.content.decode().split())

    assert f"{address}?workload={checkout.pk}" in page(
        signed_in, people.mira, f"/policy/simulate?service={checkout.service.slug}"
    )
    opened = simulated()
    assert f'value="{restart}"' in opened and "Choose who and when, and ask." in opened
    mine = simulated(**both, who="mira", at="2031-12-01T10:00")
    assert "2 changes as one" in mine and "Needs 1 of 2 approvers" in mine
    assert f'value="{restart}" checked' in mine and 'value="30"' in mine
    theirs = simulated(**both, who="leila", at="2031-12-01T10:00")
    assert "nobody-outside" in theirs and "Restart checkout: " in theirs
    assert "Nobody is called that." in simulated(422, **both, who="nobody", at="2031-12-01T10:00")
    assert "At least 10" in simulated(422, **{**both, f"{access}.minutes": "1"})
    assert "Tick what is to be done together." in simulated(**{**both, "part": [restart]})
    simulated(404, people.leila, **both)
    assert not Request.objects.exists()
