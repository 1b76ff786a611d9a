"""What the shapes of answers are built from, the shape of a page, and the shape of a problem."""

from typing import Any

from drf_spectacular.utils import inline_serializer
from rest_framework import serializers

from actions.protocol import Risk
from inventory.models import Team

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
