"""Requests: asking, looking, deciding, taking back. Every write goes through `actions.services`, the one gate, and answers with
the request as it is afterwards.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from django.urls import reverse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers, status
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from actions import claims, debts, grants, proposals, queries, scheduled, services
from actions.errors import Denied, NotFound
from actions.models import Request as ActionRequest
from actions.queue import Queue
from actions.states import ExecutionState, RequestState
from actions.targets import row_of
from actions.terms import Terms
from approvals.queries import Line
from approvals.rulings import ruling_from
from audit.canonical import storable
from inventory.models import Person
from portal.api.bodies import (
    ConfirmationBody,
    ProposalBody,
    ResolutionBody,
    ReviewBody,
    Submission,
    SubmissionBody,
    TermsBody,
    UndoBody,
    VoteBody,
    read,
)
from portal.api.errors import IdempotencyKeyReused
from portal.api.paging import PageQuery, WholeField, cursor_for, moment_in, page_of, position_in, read_query
from portal.api.permissions import require_scope
from portal.api.serializers.base import listing
from portal.api.serializers.plans import PreviewSerializer
from portal.api.serializers.requests import QueueSerializer, RequestDetailSerializer, RequestSerializer
from portal.models import Scope

from .endpoint import Endpoint

ENTRANCE = "api"
IDEMPOTENCY_KEY = OpenApiParameter(
    "Idempotency-Key", str, OpenApiParameter.HEADER, pattern=r"^[!-~]{1,64}$",
    description="Any text of your own. Sent again with the same key, the question is asked once and answered again.",
)  # fmt: skip


class RequestQuery(PageQuery):
    state = serializers.ChoiceField(required=False, choices=RequestState.choices)
    run = serializers.ChoiceField(required=False, choices=ExecutionState.choices)
    action = serializers.CharField(required=False, max_length=64)
    service = serializers.CharField(required=False, max_length=253)
    environment = serializers.CharField(required=False, max_length=63)
    requester = serializers.CharField(required=False, max_length=150, help_text="A username")
    workload = WholeField(required=False, min_value=1, max_value=2**53)


FILTERS = {
    "state": "state", "run": "execution__state", "action": "action", "service": "service__slug",
    "environment": "environment__slug", "requester": "requester__username", "workload": "workload_id",
}  # fmt: skip
"""Query parameter → column. What a caller sends never names a column."""


class Requests(Endpoint):
    scopes = {"GET": Scope.READ, "POST": Scope.REQUEST}

    @extend_schema(
        operation_id="listRequests", parameters=[RequestQuery], responses=listing("Request", RequestSerializer)
    )
    def get(self, request: Request) -> Response:
        """Newest first."""
        query = read_query(RequestQuery, request)
        wanted = {column: query[name] for name, column in FILTERS.items() if name in query}
        rows = queries.requests_visible_to(self.person).filter(**wanted)
        found = queries.page_of(rows, before=moment_in("requests", query), size=query["limit"])
        page = page_of("requests", found, query, lambda row: [row.created_at.isoformat(), row.pk])
        return Response({"items": RequestSerializer(page.items, many=True).data, "next": page.next})

    @extend_schema(
        operation_id="createRequest", parameters=[IDEMPOTENCY_KEY], request=Submission,
        responses={201: RequestDetailSerializer},
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        """Ask for an action: it runs at once, waits for approvers, or is denied; `ruling` says which and why."""
        body = read(SubmissionBody, request)
        made = services.submit(
            actor=self.person, action=body.action, target=body.target, params=body.params, reason=body.reason,
            digest=body.digest, entrance=ENTRANCE, submission_key=_key(request), terms=body.terms,
        )  # fmt: skip
        if not _asks_for(made, body):
            raise IdempotencyKeyReused(f"It made request {made.pk}, which asks for something else. Use a new key.")
        return _created(self.person, made)


class RequestDetail(Endpoint):
    @extend_schema(operation_id="getRequest", responses=RequestDetailSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return _detail(self.person, pk)


class Votes(Endpoint):
    scopes = {"POST": Scope.APPROVE}

    @extend_schema(operation_id="vote", request=VoteBody, responses={201: RequestDetailSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Decide about the plan with this digest. A vote that does not count is refused, and the refusal is on record."""
        body, row = read(VoteBody, request), _visible(self.person, pk)
        services.vote(
            actor=self.person, request=row, approve=body.decision == "approve", digest=body.digest, note=body.note,
            entrance=ENTRANCE,
        )  # fmt: skip
        return _detail(self.person, pk, status.HTTP_201_CREATED)


class Claim(Endpoint):
    scopes = {"POST": Scope.APPROVE}

    @extend_schema(operation_id="claimRequest", request=None, responses=RequestDetailSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Say that one is looking at it. Others can still decide, and it lapses by itself."""
        claims.claim(actor=self.person, request=_visible(self.person, pk))
        return _detail(self.person, pk)


class Release(Endpoint):
    scopes = {"POST": Scope.APPROVE}

    @extend_schema(operation_id="releaseRequest", request=None, responses=RequestDetailSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Say that one is not looking at it any more."""
        claims.release(actor=self.person, request=_visible(self.person, pk))
        return _detail(self.person, pk)


class Proposals(Endpoint):
    scopes = {"POST": Scope.APPROVE}

    @extend_schema(operation_id="proposeLess", request=ProposalBody, responses={201: RequestDetailSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Say to how much less one would agree. It is planned as the requester, who confirms it or not."""
        body, row = read(ProposalBody, request), _visible(self.person, pk)
        proposals.propose(actor=self.person, request=row, params=body.params, note=body.note, digest=body.digest)
        return _detail(self.person, pk, status.HTTP_201_CREATED)


class Confirmation(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(operation_id="confirmProposal", request=ConfirmationBody, responses={201: RequestDetailSerializer})
    def post(self, request: Request, pk: int, proposal: int) -> Response:
        """Ask for that instead. Answers with the new request, which takes the place of this one and has the proposer's yes."""
        body, row = read(ConfirmationBody, request), _visible(self.person, pk)
        found = proposals.proposal_of(row, proposal)
        made = proposals.confirm(actor=self.person, proposal=found, digest=body.digest, entrance=ENTRANCE)
        return _created(self.person, made)


class Declination(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(operation_id="declineProposal", request=None, responses=RequestDetailSerializer)
    def post(self, request: Request, pk: int, proposal: int) -> Response:
        """Keep to what was asked; it waits as before."""
        row = _visible(self.person, pk)
        proposals.decline(actor=self.person, proposal=proposals.proposal_of(row, proposal))
        return _detail(self.person, pk)


class Withdrawal(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(operation_id="withdrawRequest", request=None, responses=RequestDetailSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Take back a request of one's own that has not begun."""
        services.withdraw(actor=self.person, request=_visible(self.person, pk))
        return _detail(self.person, pk)


class Cancellation(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(operation_id="cancelRun", request=None, responses={202: RequestDetailSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Stop the run at the next step. What happened already is taken back."""
        services.cancel(actor=self.person, request=_visible(self.person, pk))
        return _detail(self.person, pk, status.HTTP_202_ACCEPTED)


class Start(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(operation_id="startRun", request=None, responses={202: RequestDetailSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Let begin what was agreed and whose time counts from when its requester says so."""
        grants.activate(actor=self.person, request=_visible(self.person, pk))
        return _detail(self.person, pk, status.HTTP_202_ACCEPTED)


class StartNow(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(operation_id="startRunNow", request=None, responses={202: RequestDetailSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Run at once what was agreed for later. If people had to agree, it takes one of them, and the scope approve: the time was part of
        what they agreed to.
        """
        found = _visible(self.person, pk)
        if found.round is not None:
            require_scope(request, Scope.APPROVE)
        scheduled.start_now(actor=self.person, request=found)
        return _detail(self.person, pk, status.HTTP_202_ACCEPTED)


class UndoPreview(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(operation_id="previewUndo", request=TermsBody, responses=PreviewSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """What undoing would do, and who would have to agree, without asking for it."""
        body, row = read(TermsBody, request) if request.data else TermsBody(), _visible(self.person, pk)
        way_back = services.undo_of(row)
        seen = services.preview(
            actor=self.person, action=way_back.action, target=row_of(row).pk, params=way_back.params, undo_of=row,
            terms=body.terms,
        )  # fmt: skip
        return Response(PreviewSerializer(seen).data)


class Undo(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(
        operation_id="undoRequest",
        parameters=[IDEMPOTENCY_KEY],
        request=UndoBody,
        responses={201: RequestDetailSerializer},
    )
    def post(self, request: Request, pk: int) -> Response:
        """Ask for the inverse of a run that succeeded: a request of its own, which this answers with."""
        body, row = read(UndoBody, request), _visible(self.person, pk)
        made = services.undo(
            actor=self.person, request=row, reason=body.reason, digest=body.digest, entrance=ENTRANCE,
            submission_key=_key(request), terms=body.terms,
        )  # fmt: skip
        if made.undo_of_id != row.pk:
            raise IdempotencyKeyReused(f"It made request {made.pk}, which asks for something else. Use a new key.")
        return _created(self.person, made)


class Review(Endpoint):
    scopes = {"POST": Scope.APPROVE}

    @extend_schema(operation_id="reviewRequest", request=ReviewBody, responses={201: RequestDetailSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Say whether it was right to break glass for what was run with this digest. Either way that settles it."""
        body, row = read(ReviewBody, request), _visible(self.person, pk)
        debts.review(
            actor=self.person, request=row, accept=body.decision == "accept", digest=body.digest, note=body.note,
            entrance=ENTRANCE,
        )  # fmt: skip
        return _detail(self.person, pk, status.HTTP_201_CREATED)


class Resolution(Endpoint):
    scopes = {"POST": Scope.APPROVE}

    @extend_schema(operation_id="resolveRun", request=ResolutionBody, responses=RequestDetailSerializer)
    def post(self, request: Request, pk: int) -> Response:
        """Say what is true of a run that needs a person."""
        body, row = read(ResolutionBody, request), _visible(self.person, pk)
        services.resolve(actor=self.person, request=row, outcome=body.outcome, note=body.note)
        return _detail(self.person, pk)


class Approvals(Endpoint):
    @extend_schema(operation_id="listApprovals", parameters=[PageQuery], responses=QueueSerializer)
    def get(self, request: Request) -> Response:
        """What this person can decide, a page at a time, and beside the first page what waits for others.

        A page can be empty and have a next one: what is on it was asked of them, and is not for them any more.
        """
        query = read_query(PageQuery, request)
        position = position_in("approvals", query)
        queue = Queue(self.person)
        page = queue.page(
            Line(position[0], datetime.fromisoformat(position[1]), position[2]) if position else None, query["limit"]
        )
        at = page.after
        parts = {
            "to_decide": [each.request for each in page.waiting],
            "next": cursor_for("approvals", [at.risk, at.at.isoformat(), at.round]) if at else None,
            "to_review": [debt.request for debt in queue.reviews] if position is None else [],
            "others_decide": [*page.lost, *(queue.others() if position is None else [])],
            "unclear": queries.unclear_for(self.person) if position is None else [],
        }
        return Response(QueueSerializer(parts).data)


def _visible(person: Person, pk: int) -> ActionRequest:
    row = queries.request_for(person, pk)
    if row is None:
        raise NotFound("There is no such request, or you may not see it.")
    return row


def _detail(
    person: Person, pk: int, code: int = status.HTTP_200_OK, headers: Mapping[str, str] | None = None
) -> Response:
    rows = queries.requests_visible_to(person).prefetch_related(
        "round__votes__voter", "execution__journal", "debt__round__votes__voter"
    )
    row = rows.filter(pk=pk).first()
    if row is None:
        raise NotFound("There is no such request, or you may not see it.")
    return Response(RequestDetailSerializer(row).data, status=code, headers=dict(headers or {}))


def _created(person: Person, made: ActionRequest) -> Response:
    """A question sent again gets the answer of the first time, also when that was a no."""
    if made.state == RequestState.DENIED:
        ruling = ruling_from(made.ruling)
        raise Denied(ruling.why, made.pk, ruling.deciding_rules)
    return _detail(person, made.pk, status.HTTP_201_CREATED, {"Location": reverse("api-request", args=[made.pk])})


def _key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and not re.fullmatch(r"[!-~]{1,64}", key):
        raise ValidationError({"Idempotency-Key": ["From 1 to 64 visible ASCII characters."]})
    return key


def _asks_for(made: ActionRequest, body: SubmissionBody) -> bool:
    asked = (body.action, body.target, storable(body.reason).strip())
    same_params = all(made.params.get(name) == value for name, value in body.params.items())
    return same_params and (made.action, row_of(made).pk, made.reason) == asked and _on_terms(made, body.terms)


def _on_terms(made: ActionRequest, terms: Terms) -> bool:
    """Glass that was not broken all the same, and a denial that was not overridden, had no need to be, or could not be."""
    if (made.ticket, made.not_before) != (storable(terms.ticket).strip(), terms.not_before):
        return False
    waits_for_nobody = made.round is None
    return (made.breaks_glass == terms.break_glass or (terms.break_glass and waits_for_nobody)) and (
        terms.override or not made.overrides
    )
