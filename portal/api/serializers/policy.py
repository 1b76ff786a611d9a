"""The policy: its rules, its versions, and what another one would have answered."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from approvals.models import PolicyVersion

from .base import Output, PersonSerializer
from .plans import RulingSerializer


class RuleSerializer(Output):
    id = serializers.CharField()
    where = serializers.CharField(help_text="File and line")
    when = serializers.CharField(source="condition.text")
    because = serializers.CharField()
    rule = serializers.SerializerMethodField(help_text="As it is written")

    @extend_schema_field(serializers.DictField())
    def get_rule(self, rule: object) -> dict[str, object]:
        written: dict[str, object] = rule.text.model_dump(by_alias=True, exclude_defaults=True)  # type: ignore[attr-defined]  # a `Rule`
        return written


class VersionSerializer(serializers.ModelSerializer[PolicyVersion]):
    class Meta:
        model = PolicyVersion
        fields = ["digest", "state", "seen_at", "adopted_at", "retired_at"]


class PolicySerializer(Output):
    """`agreeing`: so many administrators have to agree before what the files hold decides; 0 where nobody has to."""

    digest = serializers.CharField()
    rules = RuleSerializer(many=True)
    versions = VersionSerializer(many=True)
    agreeing = serializers.IntegerField()


class AnsweredOtherwiseSerializer(Output):
    kind = serializers.ChoiceField(choices=["looser", "stricter", "otherwise"])
    request = serializers.IntegerField(source="request.pk")
    summary = serializers.CharField(source="request.summary")
    requester = PersonSerializer(source="request.requester")
    before = RulingSerializer(help_text="What the present policy answers to the facts of then")
    after = RulingSerializer()


class ReplaySerializer(Output):
    """`without`: requests from before facts were kept. `cut`: there was no time for all of them."""

    looked_at = serializers.IntegerField()
    without = serializers.IntegerField()
    cut = serializers.BooleanField()
    differences = AnsweredOtherwiseSerializer(many=True)
