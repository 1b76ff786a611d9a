"""What each gate costs and what it catches: per rule, how many asked, how long they waited, how often it said no, how long its approvers
looked, and what had to be taken back afterwards.

A gate that never says no and catches nothing costs only time; whoever writes the policy should know. Postgres counts, over a window, and
only what the person may see.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import EmptyResultSet
from django.db import connection

from inventory.models import Person

from .queries import requests_visible_to

QUIET_AFTER = 50
"""So many yeses in a row, and a gate is worth a question."""
TAKEN_BACK_TOO_OFTEN = 0.1
"""From this share of agreed runs on that were taken back, a gate lets too much through."""
HARDLY_LOOKED = 5.0
"""Seconds. Half the votes cast sooner: nobody has read the plan."""
FEWEST_VOTES = 20
SLOW = timedelta(hours=4)
INCIDENT_HOURS = 24
"""After a run; what begins later is not laid at its door."""


@dataclass(frozen=True)
class Gate:
    """One rule that asked people. Times in seconds; empty where nobody has decided, or nobody was seen looking.

    `said_no` counts requests that an approver asked by this rule rejected; `yes_in_a_row` those agreed to since the last of them.
    `taken_back` are agreed runs that were reverted, or undone on purpose; `incidents` those with an incident of the service soon after.
    """

    rule: str
    requests: int
    decided: int
    waiting: int
    expired: int
    said_no: int
    yes_in_a_row: int
    wait_p50: float | None
    wait_p95: float | None
    waited: float
    looked_p50: float | None
    looks: int
    ran: int
    taken_back: int
    incidents: int

    @property
    def no_percent(self) -> int:
        return round(100 * self.said_no / self.decided) if self.decided else 0


@dataclass(frozen=True)
class Answered:
    """A rule's answers that asked nobody: how often it denied, or had its question set aside, and by what."""

    rule: str
    effect: str
    set_aside: str
    requests: int


def gates(person: Person, since: datetime, until: datetime) -> list[Gate]:
    """Of requests made in that time that the person may see; the one that cost the most waiting first."""
    return [Gate(**row) for row in _rows(GATES, person, since, until, INCIDENT_HOURS)]


def answered(person: Person, since: datetime, until: datetime) -> list[Answered]:
    """Denials, and questions that nobody had to answer; the most frequent first."""
    return [Answered(**row) for row in _rows(ANSWERS, person, since, until)]


def suggestions(gate: Gate, quiet_after: int = QUIET_AFTER) -> list[str]:
    """What its numbers ask of whoever writes the policy, in sentences."""
    said = []
    taken_back = gate.taken_back / gate.ran if gate.ran else 0.0
    if gate.yes_in_a_row >= quiet_after and taken_back < TAKEN_BACK_TOO_OFTEN:
        said.append(
            f"It has not said no in its last {gate.yes_in_a_row} requests. Let it be waived where that is earned, or ask only above a size."
        )
    if gate.ran >= FEWEST_VOTES and taken_back >= TAKEN_BACK_TOO_OFTEN:
        said.append(
            f"{round(100 * taken_back)} % of what it agreed to was taken back. Look at what its approvers are shown."
        )
    if gate.looks >= FEWEST_VOTES and gate.looked_p50 is not None and gate.looked_p50 < HARDLY_LOOKED:
        said.append(
            f"Half of its votes came within {gate.looked_p50:.0f} s of opening the plan. Ask fewer people, or less often."
        )
    if gate.decided >= FEWEST_VOTES and gate.wait_p95 is not None and gate.wait_p95 > SLOW.total_seconds():
        said.append("One in twenty waited for hours. Let it ask somebody else too after a while.")
    if gate.decided + gate.expired >= FEWEST_VOTES and gate.expired > gate.decided:
        said.append("More requests expired than were answered. Ask people who are there.")
    return said


def _rows(sql: str, person: Person, since: datetime, until: datetime, *more: int) -> list[dict[str, Any]]:
    """Who sees what is the same query as everywhere else; the counting around it is Postgres's own."""
    seen = requests_visible_to(person).filter(created_at__gte=since, created_at__lt=until).order_by().values("pk")
    try:
        visible, params = seen.query.sql_with_params()
    except EmptyResultSet:
        return []
    with connection.cursor() as cursor:
        cursor.execute(sql.format(visible=visible), [*params, *more])
        names = [column.name for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


GATES = """
with seen as materialized (
    select id, state, service_id, round_id from actions_request where round_id is not null and id in ({visible})
), asked as (
    select distinct seen.id, need->>'rule' as rule, (who->>'identity')::bigint as identity
      from seen
      join approvals_round round on round.id = seen.round_id
     cross join lateral jsonb_array_elements(round.requirements) need
     cross join lateral jsonb_array_elements(
           (need->'people') || coalesce(nullif(need->'escalation', 'null'::jsonb)->'people', '[]'::jsonb)) who
), voted as (
    select seen.id, coalesce(vote.instead_of, vote.identity) as identity, vote.decision, vote.looked_seconds
      from seen join approvals_vote vote on vote.round_id = seen.round_id
), looked as (
    select asked.rule, percentile_cont(0.5) within group (order by looked_seconds) as looked_p50, count(looked_seconds) as looks
      from asked join voted using (id, identity)
     group by asked.rule
), judged as (
    select seen.state, asked.*, round.state in ('approved', 'rejected') as decided, round.state = 'approved' as agreed,
           round.closed_at, extract(epoch from round.closed_at - round.opened_at)::float8 as wait
      from (select id, rule, coalesce(bool_or(decision = 'reject'), false) as no
              from asked left join voted using (id, identity) group by id, rule) asked
      join seen using (id)
      join approvals_round round on round.id = seen.round_id
), last_no as (
    select rule, max(closed_at) as at from judged where no group by rule
), ran as (
    select run.request_id as id,
           (run.state = 'reverted' or exists (
               select from actions_request back join actions_execution done on done.request_id = back.id
                where back.undo_of_id = run.request_id and done.state = 'succeeded')) as taken_back,
           exists (
               select from inventory_incident incident
                 join inventory_incident_services about on about.incident_id = incident.id
                where about.service_id = seen.service_id and incident.opened_at >= run.started_at
                  and incident.opened_at < coalesce(run.ended_at, run.started_at) + make_interval(hours => %s)) as incident
      from seen join actions_execution run on run.request_id = seen.id
     where run.started_at is not null
)
select judged.rule,
       count(*) as requests,
       count(*) filter (where decided) as decided,
       count(*) filter (where state = 'awaiting_approval') as waiting,
       count(*) filter (where state = 'expired') as expired,
       count(*) filter (where no) as said_no,
       count(*) filter (where agreed and (last_no.at is null or closed_at > last_no.at)) as yes_in_a_row,
       percentile_cont(0.5) within group (order by wait) filter (where decided) as wait_p50,
       percentile_cont(0.95) within group (order by wait) filter (where decided) as wait_p95,
       coalesce(sum(wait) filter (where decided), 0) as waited,
       max(looked.looked_p50) as looked_p50,
       coalesce(max(looked.looks), 0) as looks,
       count(ran.id) as ran,
       count(*) filter (where ran.taken_back) as taken_back,
       count(*) filter (where ran.incident) as incidents
  from judged
  left join last_no on last_no.rule = judged.rule
  left join looked on looked.rule = judged.rule
  left join ran on ran.id = judged.id
 group by judged.rule
 order by waited desc, judged.rule
"""
"""`asked`: whom each rule asked in each request; `judged`: what came of it; `ran`: what came of those that were agreed to."""

ANSWERS = """
select answer->>'rule' as rule, answer->>'effect' as effect, coalesce(answer->>'set_aside', '') as set_aside,
       count(distinct request.id) as requests
  from actions_request request
 cross join lateral jsonb_array_elements(request.ruling->'answers') answer
 where request.id in ({visible}) and (answer->>'effect' = 'deny' or coalesce(answer->>'set_aside', '') <> '')
 group by 1, 2, 3
 order by requests desc, 1
"""
