"""What a run's task wrote, as it was kept."""

from rest_framework import serializers

from .base import Output


class RunLogSerializer(Output):
    """The end of what one container of a run wrote. `truncated`: its beginning is missing. What looked like a credential is hidden."""

    pod = serializers.CharField()
    container = serializers.CharField()
    text = serializers.CharField()
    truncated = serializers.BooleanField()
    at = serializers.DateTimeField()
