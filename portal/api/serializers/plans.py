"""Actions, and what one would do: the plan as it is signed, what is known around it, and what the policy answers."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from actions.admission import Preview
from actions.amounts import Amount
from actions.registry import AnyAction
from approvals.rulings import Effect, RuleAnswer, Ruling

from .base import Output, PersonSerializer, RiskField

OFFER_STATES = ["allowed", "needed", "denied", "unknown"]
EFFECTS = [(effect.value, effect.name) for effect in Effect]


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
    """`facts` are what its condition looked at, as text. `set_aside` says what made it not count: a rule, `override`, `break-glass`."""

    rule = serializers.CharField()
    effect = serializers.ChoiceField(choices=EFFECTS)
    because = serializers.CharField()
    facts = serializers.SerializerMethodField()
    set_aside = serializers.CharField()

    def get_facts(self, answer: RuleAnswer) -> dict[str, str]:
        return dict(answer.facts)


class AskedSerializer(PersonSerializer):
    """Somebody who is asked; `away_until` is empty, or when they are back."""

    on_call = serializers.BooleanField(default=False)
    away_until = serializers.CharField(default="")


class EscalationSerializer(Output):
    """Who is asked too when nobody has answered for so long."""

    after_minutes = serializers.IntegerField()
    of = serializers.CharField()
    people = AskedSerializer(many=True)


class RequirementSerializer(Output):
    rule = serializers.CharField()
    count = serializers.IntegerField()
    of = serializers.CharField()
    people = AskedSerializer(many=True)
    escalation = EscalationSerializer(allow_null=True, default=None)


class BreakGlassSerializer(Output):
    """What acting at once would leave: a review by somebody else. Until it is done, the next broken glass is refused."""

    rule = serializers.CharField()
    because = serializers.CharField()
    review = RequirementSerializer()
    hours = serializers.IntegerField(help_text="Within so many hours")


class RulingSerializer(Output):
    """What the policy answers, and each rule that had a say. `policy_digest` names the policy that answered.

    Of a denial, `override` is who would have to agree to set it aside, empty when nobody can, and `opens_at` when it ends by itself.
    """

    effect = serializers.ChoiceField(choices=EFFECTS)
    headline = serializers.CharField()
    why = serializers.CharField()
    answers = AnswerSerializer(many=True)
    requirements = RequirementSerializer(many=True)
    policy_digest = serializers.CharField()
    override = RequirementSerializer(many=True)
    break_glass = BreakGlassSerializer(allow_null=True)
    opens_at = serializers.SerializerMethodField(help_text="When no schedule denies it any more")
    expires_minutes = serializers.IntegerField(allow_null=True, help_text="Null: the portal's own setting")

    @extend_schema_field(serializers.DateTimeField(allow_null=True))
    def get_opens_at(self, ruling: Ruling) -> str | None:
        return ruling.opens_at or None


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


@extend_schema_field({"oneOf": [{"type": "integer"}, {"type": "string"}]})
class AmountField(serializers.Field[Amount, Amount, Amount, Any]):
    """A whole number, or a quantity as Kubernetes writes it."""

    def to_representation(self, value: Amount) -> Amount:
        return value


class SmallerSerializer(Output):
    """One parameter with less. `now` is what is true at this moment, null when that is not known."""

    name = serializers.CharField()
    value = AmountField()
    asked = AmountField()
    now = AmountField(allow_null=True)


class LessOfferSerializer(Output):
    """What to ask for instead, and what that would do and need."""

    less = SmallerSerializer(many=True)
    preview = PreviewSerializer(source="seen")


class LessSerializer(Output):
    offer = LessOfferSerializer(allow_null=True)
