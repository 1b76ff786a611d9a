"""What somebody can decide, as a program reads it: page by page, and the rest beside the first."""

from typing import Any

from inventory.models import Team, Workload
from tests.characters import People
from tests.portal.api.conftest import Caller
from tests.portal.api.rows import make_request


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
