"""Requests: the question, the votes, the run and its journal."""

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from actions.compare import compare
from actions.models import Debt, Execution, JournalEntry
from actions.models import Request as ActionRequest
from actions.states import ExecutionState, RequestState
from approvals.models import Round, Vote
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

    class Meta:
        model = ActionRequest
        fields = [
            "id", "action", "service", "environment", "workload", "secret", "node", "ends", "target",
            "params", "summary", "reason", "risk", "requester",
            "entrance", "state", "run", "digest", "undo_of", "created_at", "decided_at",
            "ticket", "incident", "not_before", "overrides", "breaks_glass", "supersedes",
        ]  # fmt: skip


class VoteSerializer(serializers.ModelSerializer[Vote]):
    voter = PersonSerializer()

    class Meta:
        model = Vote
        fields = ["voter", "decision", "digest", "note", "at"]


class RoundSerializer(serializers.ModelSerializer[Round]):
    requirements = RequirementSerializer(many=True)
    votes = VoteSerializer(many=True)

    class Meta:
        model = Round
        fields = ["state", "digest", "requirements", "votes", "opened_at", "closed_at", "expires_at"]


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

    class Meta(RequestSerializer.Meta):
        fields = [
            *RequestSerializer.Meta.fields, "plan", "impact", "ruling", "approval", "execution", "review", "differences",
        ]  # fmt: skip

    @extend_schema_field(PlanSerializer)
    def get_plan(self, request: ActionRequest) -> Any:
        return json.loads(request.plan_text)

    @extend_schema_field(RulingSerializer)
    def get_ruling(self, request: ActionRequest) -> Any:
        return RulingSerializer(ruling_from(request.ruling)).data

    @extend_schema_field(DifferenceSerializer(many=True))
    def get_differences(self, request: ActionRequest) -> list[dict[str, str]]:
        if not request.stale_plan_text:
            return []
        found = compare(request.plan_text, request.stale_plan_text)
        return [{"label": line.label, "agreed": line.agreed, "now": line.now} for line in found]


class QueueSerializer(Output):
    """Open requests, riskiest first, then oldest. `others_decide` are those that this person sees and cannot decide.

    `next` is the cursor of the next page of `to_decide`; the other lists are complete, or as long as they get, on the first page.
    """

    to_decide = RequestSerializer(many=True)
    next = serializers.CharField(allow_null=True)
    to_review = RequestSerializer(many=True, help_text="Broken glass that this person may find right or wrong")
    others_decide = RequestSerializer(many=True)
    unclear = RequestSerializer(many=True, help_text="Runs that wait until a person says what is true")
