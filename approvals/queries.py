"""What a round needs, and what people are asked, in the order in which they want to decide it: riskiest first, then oldest.

That order is an index (`models.Asked`), so a page is a short walk along it from where the last one ended, for everybody in whose place
one may decide, and costs the same whether ten rounds are open or a hundred thousand.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

from django.db import connection
from django.db.models import QuerySet

from .models import Round, Vote
from .rulings import Requirement, requirement_from

RISKS = (3, 2, 1)
"""From the riskiest. A row comparison walks one direction only, so each has a walk of its own."""

START = (datetime(1, 1, 1, tzinfo=UTC), 0)

WALK = """
    SELECT wanted.kind, place.* FROM unnest(%s::text[]) AS wanted (kind)
    CROSS JOIN LATERAL (
        SELECT DISTINCT line.*
        FROM unnest(%s::bigint[], %s::smallint[], %s::timestamptz[], %s::bigint[]) AS start (identity, risk, at, round)
        CROSS JOIN LATERAL (
            SELECT risk, at, round_id FROM approvals_asked
            WHERE open AND identity = start.identity AND kind = wanted.kind AND risk = start.risk
                AND (at, round_id) > (start.at, start.round)
            ORDER BY at, round_id LIMIT %s
        ) AS line
        ORDER BY risk DESC, at, round_id LIMIT %s
    ) AS place
"""


@dataclass(frozen=True)
class Line:
    """One place in a queue, which is also where the next page begins: after it."""

    risk: int
    at: datetime
    round: int


def requirements_of(asked: Round) -> tuple[Requirement, ...]:
    """What it needs, with those among the people who are asked by now because nobody had answered."""
    return tuple(by_now(requirement_from(need), asked.escalated_minutes) for need in asked.requirements)


def by_now(need: Requirement, minutes: int) -> Requirement:
    """The requirement after so many minutes without an answer."""
    later = need.escalation
    if later is None or later.after_minutes > minutes:
        return need
    people = {person.identity: person for person in (*need.people, *later.people)}
    return Requirement(need.rule, need.count, need.of, tuple(people.values()), later)


def asked_of(
    identities: Collection[int], kinds: Collection[Round.Kind], *, after: Line | None = None, limit: int
) -> dict[Round.Kind, list[Line]]:
    """Open questions to any of these humans, each once. Some of them may have run out of time a moment ago."""
    starts = [
        (identity, risk, *((after.at, after.round) if after and risk == after.risk else START))
        for identity in sorted(identities)
        for risk in RISKS
        if after is None or risk <= after.risk
    ]
    found: dict[Round.Kind, list[Line]] = {kind: [] for kind in kinds}
    with connection.cursor() as cursor:
        cursor.execute(WALK, [[kind.value for kind in kinds], *map(list, zip(*starts, strict=True)), limit, limit])
        for kind, *place in cursor.fetchall():
            found[Round.Kind(kind)].append(Line(*place))
    return {kind: sorted(lines, key=lambda line: (-line.risk, line.at, line.round)) for kind, lines in found.items()}


def votes_of(identity: int, *, before: tuple[datetime, int] | None = None, limit: int) -> QuerySet[Vote]:
    """What one human decided, whatever it was about, newest first."""
    rows = Vote.objects.filter(identity=identity)
    if before is not None:
        rows = rows.extra(where=["(approvals_vote.at, approvals_vote.id) < (%s, %s)"], params=list(before))
    return rows.order_by("-at", "-id")[:limit]
