"""Who calls, their tokens, and the record of what everybody did."""

from rest_framework import serializers

from audit.models import EventRow
from portal.models import ApiToken, Scope

from .base import Output, TeamSerializer


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
