"""What callers get. Field by field on purpose: a column that is added to a table appears nowhere until somebody names it here."""

import json
from typing import Any

from drf_spectacular.utils import extend_schema_field, inline_serializer
from rest_framework import serializers

from actions.compare import compare
from actions.models import Execution, JournalEntry
from actions.models import Request as ActionRequest
from actions.protocol import Risk
from actions.registry import AnyAction
from actions.services import Preview
from actions.states import ExecutionState, RequestState
from approvals.facts import Effect, ruling_from
from approvals.models import Round, Vote
from audit.models import EventRow
from inventory.models import Cluster, Environment, Service, Team, Workload
from inventory.queries import live_workloads
from portal.models import ApiToken, Scope

OFFER_STATES = ["allowed", "needed", "denied", "unknown"]
EFFECTS = [(effect.value, effect.name) for effect in Effect]
RISKS = [risk.name.lower() for risk in Risk]


class Output(serializers.Serializer[Any]):
    """Base of everything below: shapes to write out, never to read in."""


def listing(name: str, item: type[serializers.BaseSerializer[Any]]) -> serializers.Serializer[Any]:
    """The shape of one page of a list."""
    following = serializers.CharField(allow_null=True, help_text="`cursor` of the next page, null on the last one")
    return inline_serializer(f"{name}Page", {"items": item(many=True), "next": following})


class RiskField(serializers.ChoiceField):
    def __init__(self, **options: Any) -> None:
        super().__init__(choices=RISKS, **options)

    def to_representation(self, value: Any) -> str:
        return Risk(value).name.lower()


class ProblemSerializer(Output):
    """RFC 9457. `code` is for programs, `detail` for people; `instance` is the X-Request-ID."""

    type = serializers.CharField()
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    instance = serializers.CharField()
    code = serializers.CharField()
    errors = serializers.DictField(  # type: ignore[assignment]  # a field's name; the class keeps its own `errors`
        child=serializers.ListField(child=serializers.CharField()), required=False
    )
    request = serializers.IntegerField(required=False, help_text="The denied request, which is on record")
    rules = serializers.ListField(child=serializers.CharField(), required=False, help_text="What said no")
    temporary = serializers.BooleanField(required=False, help_text="The same question may be answered later")


class PersonSerializer(Output):
    username = serializers.CharField()
    name = serializers.CharField()


class TeamSerializer(serializers.ModelSerializer[Team]):
    class Meta:
        model = Team
        fields = ["slug", "name"]


class EnvironmentSerializer(serializers.ModelSerializer[Environment]):
    class Meta:
        model = Environment
        fields = ["slug", "criticality"]


class ClusterSerializer(serializers.ModelSerializer[Cluster]):
    """`unreachable_since` and `problem` say that what we show of it may be old; `simulated` that its machines are not real."""

    class Meta:
        model = Cluster
        fields = ["name", "version", "simulated", "read_only", "seen_at", "unreachable_since", "problem"]


class WorkloadSerializer(serializers.ModelSerializer[Workload]):
    """As last seen, at `seen_at`. `trouble` is the cause in plain words, empty when healthy."""

    service = serializers.CharField(source="service.slug")
    environment = serializers.CharField(source="environment.slug")
    cluster = serializers.CharField(source="cluster.name")
    simulated = serializers.BooleanField(source="cluster.simulated")
    images = serializers.ListField(child=serializers.CharField())
    autoscaler = serializers.DictField(allow_null=True)

    class Meta:
        model = Workload
        fields = [
            "id", "service", "environment", "cluster", "simulated", "namespace", "kind", "name", "uid", "version", "images", "wanted",
            "ready", "restarts", "paused", "autoscaler", "managed_by", "trouble", "revision", "seen_at", "gone_at",
        ]  # fmt: skip


class ServiceSerializer(serializers.ModelSerializer[Service]):
    team = TeamSerializer(allow_null=True)
    links = serializers.SerializerMethodField()

    class Meta:
        model = Service
        fields = ["slug", "name", "team", "tier", "description", "links"]

    def get_links(self, service: Service) -> dict[str, str]:
        """Annotations come from whoever writes manifests: a `javascript:` link must not get to whoever shows ours."""
        return {str(name): str(link) for name, link in service.links.items() if str(link).startswith("https://")}


class ServiceDetailSerializer(ServiceSerializer):
    workloads = serializers.SerializerMethodField()

    class Meta(ServiceSerializer.Meta):
        fields = [*ServiceSerializer.Meta.fields, "workloads"]

    @extend_schema_field(WorkloadSerializer(many=True))
    def get_workloads(self, service: Service) -> Any:
        return WorkloadSerializer(live_workloads([service]), many=True).data


class ActionSerializer(Output):
    id = serializers.CharField()
    title = serializers.CharField()
    risk = RiskField()
    target = serializers.CharField()
    kinds = serializers.ListField(child=serializers.CharField(), help_text="Kinds of workload it works on")
    params = serializers.SerializerMethodField(help_text="JSON Schema of the parameters")

    def get_params(self, action: AnyAction) -> dict[str, Any]:
        schema: dict[str, Any] = action.params.model_json_schema()
        return schema


class AnswerSerializer(Output):
    rule = serializers.CharField()
    effect = serializers.ChoiceField(choices=EFFECTS)
    because = serializers.CharField()


class RequirementSerializer(Output):
    rule = serializers.CharField()
    count = serializers.IntegerField()
    of = serializers.CharField()
    people = PersonSerializer(many=True)


class RulingSerializer(Output):
    """What the policy answers, and each rule that had a say. `policy_digest` names the policy that answered."""

    effect = serializers.ChoiceField(choices=EFFECTS)
    headline = serializers.CharField()
    why = serializers.CharField()
    answers = AnswerSerializer(many=True)
    requirements = RequirementSerializer(many=True)
    policy_digest = serializers.CharField()


class OfferSerializer(Output):
    """An action that a workload can have, and what the policy would answer before anybody asks, to the least it can do."""

    action = serializers.CharField(source="action.id")
    title = serializers.CharField(source="action.title")
    state = serializers.ChoiceField(choices=OFFER_STATES)
    answer = serializers.CharField()
    why = serializers.CharField()
    rules = serializers.ListField(child=serializers.CharField())


class ObjectSerializer(Output):
    kind = serializers.CharField()
    namespace = serializers.CharField()
    name = serializers.CharField()
    uid = serializers.CharField()


class TargetSerializer(Output):
    kind = serializers.CharField()
    key = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]  # a field's name; the class keeps its own `label`
    service = serializers.CharField()
    environment = serializers.CharField()
    cluster = serializers.CharField()
    object = ObjectSerializer()


class LineSerializer(Output):
    path = serializers.CharField()
    before = serializers.CharField()
    after = serializers.CharField()


class ChangeSerializer(Output):
    object = serializers.CharField()
    lines = LineSerializer(many=True)


class StepSerializer(Output):
    id = serializers.CharField()
    title = serializers.CharField()
    verb = serializers.CharField()
    args = serializers.DictField()


class PlanSerializer(Output):
    """Everything that is signed: `digest` beside it is the SHA-256 of this object's RFC 8785 text."""

    action = serializers.CharField()
    target = TargetSerializer()
    params = serializers.DictField()
    summary = serializers.CharField()
    preconditions = serializers.DictField()
    changes = ChangeSerializer(many=True)
    steps = StepSerializer(many=True)
    revert = StepSerializer(many=True)
    no_revert = serializers.CharField()
    undo = serializers.DictField(allow_null=True)
    no_undo = serializers.CharField()
    irreversible = serializers.ListField(child=serializers.CharField())
    eject = serializers.ListField(child=serializers.CharField(), help_text="The same by hand")
    soak_seconds = serializers.IntegerField()
    deadline_seconds = serializers.IntegerField()


class ImpactSerializer(Output):
    label = serializers.CharField()  # type: ignore[assignment]  # a field's name; the class keeps its own `label`
    figure = serializers.CharField()
    meaning = serializers.CharField()
    worry = serializers.BooleanField()


class PreviewSerializer(Output):
    """What would happen and who would have to agree, if this were asked for now. Nothing was written."""

    plan = serializers.SerializerMethodField()
    digest = serializers.CharField(source="plan.digest")
    impact = ImpactSerializer(many=True, source="plan.impact")
    ruling = RulingSerializer()
    planned_in_ms = serializers.IntegerField()

    @extend_schema_field(PlanSerializer)
    def get_plan(self, seen: Preview) -> dict[str, Any]:
        return seen.plan.content()


class RequestSerializer(serializers.ModelSerializer[ActionRequest]):
    """`state` is where the question stands, `run` where the doing stands, null before there is any."""

    service = serializers.CharField(source="service.slug")
    environment = serializers.CharField(source="environment.slug")
    workload = serializers.IntegerField(source="workload_id", allow_null=True)
    target = serializers.CharField(source="target_label")
    params = serializers.DictField()
    risk = RiskField()
    requester = PersonSerializer()
    state = serializers.ChoiceField(choices=RequestState.choices)
    run = serializers.ChoiceField(choices=ExecutionState.choices, source="execution.state", allow_null=True)
    undo_of = serializers.IntegerField(source="undo_of_id", allow_null=True)

    class Meta:
        model = ActionRequest
        fields = [
            "id", "action", "service", "environment", "workload", "target", "params", "summary", "reason", "risk", "requester",
            "entrance", "state", "run", "digest", "undo_of", "created_at", "decided_at",
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
    differences = serializers.SerializerMethodField(
        help_text="Of a stale request: what was agreed, and what would happen now"
    )

    class Meta(RequestSerializer.Meta):
        fields = [*RequestSerializer.Meta.fields, "plan", "impact", "ruling", "approval", "execution", "differences"]

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
    """Open requests, riskiest first, then oldest. `others_decide` are those that this person sees and cannot decide."""

    to_decide = RequestSerializer(many=True)
    others_decide = RequestSerializer(many=True)
    unclear = RequestSerializer(many=True, help_text="Runs that wait until a person says what is true")


class TokenSerializer(serializers.ModelSerializer[ApiToken]):
    scopes = serializers.ListField(child=serializers.ChoiceField(choices=Scope.choices))

    class Meta:
        model = ApiToken
        fields = ["id", "name", "hint", "scopes", "created_at", "expires_at", "last_used_at", "revoked_at"]


class NewTokenSerializer(TokenSerializer):
    token = serializers.CharField(source="text", help_text="Shown this once. We keep only its hash.")

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]


class MeSerializer(Output):
    username = serializers.CharField()
    name = serializers.CharField()
    time_zone = serializers.CharField()
    is_admin = serializers.BooleanField(source="is_superuser")
    teams = TeamSerializer(many=True)
    approves_for = TeamSerializer(many=True)
    token = TokenSerializer(allow_null=True, help_text="What this call came with, or null in a session")


class EventSerializer(serializers.ModelSerializer[EventRow]):
    """One row of the record. `text` is the RFC 8785 text that is hashed; the columns beside it are for finding it."""

    class Meta:
        model = EventRow
        fields = [
            "id", "at", "verb", "actor_kind", "actor", "actor_id", "request_id", "execution_id", "action", "service", "environment",
            "target", "summary", "correlation", "text",
        ]  # fmt: skip
