"""Grants: what somebody has for a while, and what opens a credential, once."""

from rest_framework import serializers

from actions.models import Grant
from actions.states import GrantState

from .base import Output, PersonSerializer


class GrantSerializer(serializers.ModelSerializer[Grant]):
    """`kind` tells access from a change that goes back by itself; `credential_at` is when the last credential was made."""

    request = serializers.IntegerField(source="request_id")
    kind = serializers.ChoiceField(choices=Grant.Kind.choices)
    state = serializers.ChoiceField(choices=GrantState.choices)
    action = serializers.CharField(source="request.action")
    service = serializers.CharField(source="request.service.slug")
    environment = serializers.CharField(source="request.environment.slug")
    target = serializers.CharField(source="request.target_label")
    summary = serializers.CharField(source="request.summary")
    person = PersonSerializer(source="request.requester")
    ended_by = PersonSerializer(allow_null=True)
    credential_at = serializers.DateTimeField(source="handed_over_at", allow_null=True)
    overdue = serializers.SerializerMethodField(help_text="The alarm was raised: it should have ended and had not")

    class Meta:
        model = Grant
        fields = [
            "id", "request", "kind", "state", "action", "service", "environment", "target", "summary", "person", "starts_at",
            "ends_at", "ended_at", "ended_by", "credential_at", "overdue", "cause",
        ]  # fmt: skip

    def get_overdue(self, grant: Grant) -> bool:
        return grant.overdue_alarm_at is not None


class WrappedSerializer(Output):
    """What opens a credential: once, within two minutes, with `unwrap` in the vault at `address`."""

    kind = serializers.CharField()
    wrapping_token = serializers.CharField(source="token")
    address = serializers.CharField()
    until = serializers.DateTimeField()
