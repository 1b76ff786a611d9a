"""Requests: the question, the votes, the run and its journal."""

import json
from typing import Any

from django.utils import timezone
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from actions.bulk import Result
from actions.claims import claimer_of
from actions.compare import compare
from actions.models import Debt, Execution, JournalEntry, Proposal
from actions.models import Request as ActionRequest
from actions.proposals import latest_of
from actions.states import ExecutionState, RequestState
from approvals.models import Round, Vote
from approvals.queries import requirements_of
from approvals.rulings import ruling_from

from .base import Output, PersonSerializer, RiskField
from .plans import ImpactSerializer, PlanSerializer, RequirementSerializer, RulingSerializer


class RequestSerializer(serializers.ModelSerializer[ActionRequest]):
    """`state` is where the question stands, `run` where the doing stands, null before there is any."""

    service = serializers.CharField(source="service.slug")
    environment = serializers.CharField(source="environment.slug")
    workload = serializers.IntegerField(source="workload_id", allow_null=True)
    secret = serializers.IntegerField(source="secret_id", allow_null=True)
    node = serializers.IntegerField(source="node_id", allow_null=True)
    ends = serializers.IntegerField(source="ends_id", allow_null=True, help_text="The grant that this request ends")
    target = serializers.CharField(source="target_label")
    params = serializers.DictField()
    risk = RiskField()
    requester = PersonSerializer()
    state = serializers.ChoiceField(choices=RequestState.choices)
    run = serializers.ChoiceField(choices=ExecutionState.choices, source="execution.state", allow_null=True)
    undo_of = serializers.IntegerField(source="undo_of_id", allow_null=True)
    supersedes = serializers.IntegerField(source="supersedes_id", allow_null=True)
    incident = serializers.CharField(
        source="incident.reference", allow_null=True, help_text="The one that was open for the service"
    )
    alike = serializers.CharField(
        source="shape", help_text="The same for the same change elsewhere; empty for what is decided by itself"
    )

    class Meta:
        model = ActionRequest
        fields = [
            "id", "action", "service", "environment", "workload", "secret", "node", "ends", "target",
            "params", "summary", "reason", "risk", "requester",
            "entrance", "state", "run", "digest", "undo_of", "created_at", "decided_at",
            "ticket", "incident", "not_before", "overrides", "breaks_glass", "supersedes", "alike",
        ]  # fmt: skip


class VoteSerializer(serializers.ModelSerializer[Vote]):
    voter = PersonSerializer()
    instead_of = serializers.SerializerMethodField(help_text="The name of whom the voter stood in for, or null")

    class Meta:
        model = Vote
        fields = ["voter", "instead_of", "decision", "digest", "note", "at"]

    def get_instead_of(self, vote: Vote) -> str | None:
        asked = (each for need in requirements_of(vote.round) for each in need.people)
        return next((each.name for each in asked if each.identity == vote.instead_of), None)


class RoundSerializer(serializers.ModelSerializer[Round]):
    requirements = serializers.SerializerMethodField(
        help_text="With those who are asked by now because nobody answered"
    )
    votes = VoteSerializer(many=True)
    claimed_by = serializers.SerializerMethodField(
        help_text="Who says to be looking at it; it keeps nobody from deciding"
    )

    class Meta:
        model = Round
        fields = ["state", "digest", "requirements", "votes", "claimed_by", "opened_at", "closed_at", "expires_at"]

    @extend_schema_field(RequirementSerializer(many=True))
    def get_requirements(self, asked: Round) -> Any:
        return RequirementSerializer(requirements_of(asked), many=True).data

    @extend_schema_field(PersonSerializer(allow_null=True))
    def get_claimed_by(self, asked: Round) -> Any:
        who = claimer_of(asked, timezone.now())
        return PersonSerializer(who).data if who else None


class JournalEntrySerializer(serializers.ModelSerializer[JournalEntry]):
    evidence = serializers.DictField()

    class Meta:
        model = JournalEntry
        fields = ["phase", "step", "title", "status", "detail", "evidence", "started_at", "ended_at"]


class ExecutionSerializer(serializers.ModelSerializer[Execution]):
    cancel_requested_by = PersonSerializer(allow_null=True)
    observed = serializers.DictField()
    journal = JournalEntrySerializer(many=True)

    class Meta:
        model = Execution
        fields = [
            "id", "state", "cause", "stamp", "attempts", "observed", "cancel_requested_by", "queued_at", "started_at", "applied_at",
            "ended_at", "journal",
        ]  # fmt: skip


class DebtSerializer(serializers.ModelSerializer[Debt]):
    """The review of what was done by breaking glass. `accepted` is null until it is settled; `round` is what is decided about it."""

    round = RoundSerializer()

    class Meta:
        model = Debt
        fields = ["due_at", "settled_at", "accepted", "round"]


class DifferenceSerializer(Output):
    label = serializers.CharField()  # type: ignore[assignment]  # a field's name; the class keeps its own `label`
    agreed = serializers.CharField()
    now = serializers.CharField()


class ProposalSerializer(serializers.ModelSerializer[Proposal]):
    """Less than what was asked, that an approver would agree to. `differences`: what was asked, and what it would be `now`."""

    proposer = PersonSerializer()
    params = serializers.DictField()
    plan = serializers.SerializerMethodField()
    differences = serializers.SerializerMethodField()

    class Meta:
        model = Proposal
        fields = ["id", "proposer", "state", "params", "digest", "note", "at", "closed_at", "plan", "differences"]

    @extend_schema_field(PlanSerializer)
    def get_plan(self, proposal: Proposal) -> Any:
        return json.loads(proposal.plan_text)

    @extend_schema_field(DifferenceSerializer(many=True))
    def get_differences(self, proposal: Proposal) -> list[dict[str, str]]:
        return _lines(proposal.request.plan_text, proposal.plan_text)


class RequestDetailSerializer(RequestSerializer):
    plan = serializers.SerializerMethodField()
    impact = ImpactSerializer(many=True)
    ruling = serializers.SerializerMethodField()
    approval = RoundSerializer(source="round", allow_null=True)
    execution = ExecutionSerializer(allow_null=True)
    review = DebtSerializer(source="debt", allow_null=True, default=None)
    differences = serializers.SerializerMethodField(
        help_text="Of a stale request: what was agreed, and what would happen now"
    )

    proposal = serializers.SerializerMethodField(help_text="The latest one, or null")

    class Meta(RequestSerializer.Meta):
        fields = [
            *RequestSerializer.Meta.fields, "proposal", "plan", "impact", "ruling", "approval", "execution", "review", "differences",
        ]  # fmt: skip

    @extend_schema_field(PlanSerializer)
    def get_plan(self, request: ActionRequest) -> Any:
        return json.loads(request.plan_text)

    @extend_schema_field(RulingSerializer)
    def get_ruling(self, request: ActionRequest) -> Any:
        return RulingSerializer(ruling_from(request.ruling)).data

    @extend_schema_field(DifferenceSerializer(many=True))
    def get_differences(self, request: ActionRequest) -> list[dict[str, str]]:
        return _lines(request.plan_text, request.stale_plan_text) if request.stale_plan_text else []

    @extend_schema_field(ProposalSerializer(allow_null=True))
    def get_proposal(self, request: ActionRequest) -> Any:
        found = latest_of(request)
        return ProposalSerializer(found).data if found else None


def _lines(agreed: str, now: str) -> list[dict[str, str]]:
    return [{"label": line.label, "agreed": line.agreed, "now": line.now} for line in compare(agreed, now)]


class AlikeResultSerializer(Output):
    """What came of one of several. `state` is where its question stands now, null if there is none that this person may see."""

    request = serializers.IntegerField(source="number")
    approved = serializers.SerializerMethodField(
        help_text="The vote counts. Others may have to agree, too: see `state`"
    )
    state = serializers.ChoiceField(choices=RequestState.choices, source="request.state", allow_null=True, default=None)
    code = serializers.CharField(
        source="refusal.code", default="", help_text="Why it does not count, for programs; else empty"
    )
    detail = serializers.SerializerMethodField(help_text="The same, for people")

    def get_approved(self, result: Result) -> bool:
        return result.refusal is None

    def get_detail(self, result: Result) -> str:
        return str(result.refusal or "")


class QueueSerializer(Output):
    """Open requests, riskiest first, then oldest. `others_decide` are those that this person sees and cannot decide.

    `next` is the cursor of the next page of `to_decide`; the other lists are complete, or as long as they get, on the first page.
    What was asked of this person and is not for them any more is among `others_decide` of the page that it would be on.
    """

    to_decide = RequestSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    to_review = RequestSerializer(many=True, help_text="Broken glass that this person may find right or wrong")
    others_decide = RequestSerializer(many=True)
    unclear = RequestSerializer(many=True, help_text="Runs that wait until a person says what is true")
