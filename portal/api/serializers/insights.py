"""The gate ledger."""

from rest_framework import serializers

from actions.ledger import Gate, suggestions

from .base import Output


class GateSerializer(Output):
    """Times in seconds; null where nobody has decided, or nobody was seen looking."""

    rule = serializers.CharField()
    requests = serializers.IntegerField()
    decided = serializers.IntegerField()
    waiting = serializers.IntegerField()
    expired = serializers.IntegerField()
    said_no = serializers.IntegerField()
    yes_in_a_row = serializers.IntegerField(help_text="Agreed to since it last said no")
    wait_p50 = serializers.FloatField(allow_null=True)
    wait_p95 = serializers.FloatField(allow_null=True)
    waited = serializers.FloatField(help_text="By all of them together")
    looked_p50 = serializers.FloatField(allow_null=True, help_text="How long the plan was on the screen before a vote")
    looks = serializers.IntegerField(help_text="Votes of which that is known")
    ran = serializers.IntegerField()
    taken_back = serializers.IntegerField(help_text="Reverted, or undone on purpose")
    incidents = serializers.IntegerField(help_text="Runs after which an incident of the service began within a day")
    suggestions = serializers.SerializerMethodField()

    def get_suggestions(self, gate: Gate) -> list[str]:
        return suggestions(gate)
