"""What somebody can decide, as a program reads it: page by page, and the rest beside the first."""

from typing import Any

import pytest

from actions.models import Request
from approvals.models import Vote
from audit.models import EventRow
from inventory.models import Team, Workload
from tests.characters import People, fresh
from tests.portal.api.conftest import Caller
from tests.portal.api.rows import make_request, make_workload


def test_the_queue_is_read_page_by_page_from_the_riskiest(people: People, ghost: Workload, script: Caller) -> None:
    rows = [make_request(ghost, people, number, risk=1 + number % 3) for number in range(5)]
    other = make_request(ghost, people, asked=[people.ines])
    jonas = script(people.jonas, "read")
    found, others = [], []
    query: dict[str, Any] = {"limit": 2}
    for _ in range(3):
        page = jonas.get("/api/approvals", query).json()
        found.append([each["id"] for each in page["to_decide"]])
        others.append([each["id"] for each in page["others_decide"]])
        query["cursor"] = page["next"]
    assert [number for each in found for number in each] == [
        row.pk for row in sorted(rows, key=lambda row: (-row.risk, row.pk))
    ]
    assert [len(each) for each in found] == [2, 2, 1]
    assert query["cursor"] is None
    assert others == [[other.pk], [], []]
    assert jonas.get("/api/approvals", {"cursor": "made-up"}).status_code == 400
    assert jonas.get("/api/approvals", {"page": 2}).status_code == 400


def test_what_was_asked_of_somebody_who_may_not_decide_it_any_more_is_for_others(
    people: People, ghost: Workload, script: Caller
) -> None:
    rows = [make_request(ghost, people, number) for number in range(3)]
    for group in Team.objects.filter(slug="payments").values_list("approvers", flat=True):
        people.jonas.groups.remove(group)
    jonas, others, cursor = script(people.jonas, "read"), [], None
    for _ in rows:
        page = jonas.get("/api/approvals", {"limit": 1} | ({"cursor": cursor} if cursor else {})).json()
        assert page["to_decide"] == []
        others += [each["id"] for each in page["others_decide"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert others == [row.pk for row in rows]


SHAPE = "a" * 64


def items(*requests: Request, **others: object) -> dict[str, object]:
    return {"items": [{"request": each.pk, "digest": each.digest} for each in requests], **others}


def test_several_alike_are_approved_with_one_call_and_answered_each_by_itself(people: People, script: Caller) -> None:
    places = [make_workload(name, "payments") for name in ("checkout", "ledger", "refunds")]
    good, same, stale = (make_request(place, people, shape=SHAPE) for place in places)
    risky = make_request(places[0], people, shape=SHAPE, risk=2)
    other = make_request(places[0], people, shape="b" * 64)
    jonas, where = script(people.jonas, "read", "approve"), f"/api/approvals/alike/{SHAPE}"
    assert jonas.get(f"/api/requests/{good.pk}").json()["alike"] == SHAPE

    body = items(good, same, risky, other, note="Same everywhere")
    body["items"] += [{"request": stale.pk, "digest": "0" * 64}, {"request": 999_999, "digest": "0" * 64}]  # type: ignore[operator]  # a list
    answer = jonas.post(where, body, format="json")

    assert answer.status_code == 200
    assert [(each["request"], each["approved"], each["state"], each["code"]) for each in answer.json()["items"]] == [
        (good.pk, True, "approved", ""), (same.pk, True, "approved", ""),
        (risky.pk, False, "awaiting_approval", "not-allowed"), (other.pk, False, "awaiting_approval", "not-allowed"),
        (stale.pk, False, "awaiting_approval", "vote-refused"), (999_999, False, None, "not-found"),
    ]  # fmt: skip
    assert "another change than the rest" in answer.json()["items"][3]["detail"]
    assert {(vote.entrance, vote.note, vote.digest) for vote in Vote.objects.all()} == {
        ("api", "Same everywhere", good.digest), ("api", "Same everywhere", same.digest),
    }  # fmt: skip
    again = jonas.post(where, items(good), format="json").json()["items"][0]
    assert (again["approved"], again["state"]) == (False, "approved")
    assert Vote.objects.count() == 2
    assert set(EventRow.objects.filter(verb="access.refused").values_list("request_id", flat=True)) == {
        risky.pk,
        other.pk,
    }


@pytest.mark.parametrize("who", ["mira", "mira_admin", "leila", "edda", "kofi"])
def test_who_may_not_decide_one_may_not_decide_several(
    people: People, ghost: Workload, script: Caller, who: str
) -> None:
    rows = [make_request(ghost, people, number, shape=SHAPE) for number in range(2)]
    answer = script(getattr(people, who)).post(f"/api/approvals/alike/{SHAPE}", items(*rows), format="json")
    assert [each["approved"] for each in answer.json()["items"]] == [False, False]
    assert Vote.objects.count() == 0
    assert {fresh(each).state for each in rows} == {"awaiting_approval"}


def test_a_list_that_is_empty_or_too_long_or_has_one_twice_decides_nothing(
    people: People, ghost: Workload, script: Caller
) -> None:
    row, jonas = make_request(ghost, people, shape=SHAPE), script(people.jonas)
    for body in (items(), items(*[row] * 51), items(row, row), items(row, shape=SHAPE), {"items": row.pk}):
        answer = jonas.post(f"/api/approvals/alike/{SHAPE}", body, format="json")
        assert (answer.status_code, answer.json()["code"]) == (422, "bad-params"), body
    assert Vote.objects.count() == 0
