"""The proposal on a request's page: what an approver would agree to instead, beside what was asked, and who answers it."""

import json
from dataclasses import dataclass

from actions import compare, proposals
from actions.errors import Difference
from actions.models import Proposal, Request
from actions.protocol import Plan, plan_from
from actions.states import ProposalState
from inventory.models import Person

from .words import short_digest


@dataclass(frozen=True)
class Proposed:
    """The latest one. `mine`: this person asked, so they answer."""

    row: Proposal
    plan: Plan
    lines: tuple[Difference, ...]
    title: str
    says: str
    mine: bool

    @property
    def open(self) -> bool:
        return self.row.state == ProposalState.OPEN

    @property
    def short(self) -> str:
        return short_digest(self.row.digest)


def proposed_of(person: Person, request: Request) -> Proposed | None:
    row = proposals.latest_of(request)
    if row is None:
        return None
    mine, who, by = person.identity == request.requester.identity, request.requester.name, row.proposer.name
    said = {
        ProposalState.OPEN: "Confirm it, and it takes the place of what you asked." if mine else f"{who} confirms it or not.",
        ProposalState.CONFIRMED: f"{who} confirmed it.",
        ProposalState.DECLINED: f"{who} keeps to what was asked.",
        ProposalState.CLOSED: "It came to nothing: the request was decided, or another one was made.",
    }  # fmt: skip
    lines = compare.compare(request.plan_text, row.plan_text)
    title = f"{by} would agree to less" if row.state == ProposalState.OPEN else f"{by} proposed less"
    return Proposed(
        row, plan_from(json.loads(row.plan_text)), tuple(lines), title, said[ProposalState(row.state)], mine
    )
