"""Shifts, incidents and absences."""

from rest_framework import serializers

from approvals.models import Absence
from inventory.models import Incident, Service, Shift

from .base import Output, PersonSerializer, TeamSerializer


class ShiftSerializer(serializers.ModelSerializer[Shift]):
    person = serializers.CharField(source="person.username")

    class Meta:
        model = Shift
        fields = ["person", "starts_at", "ends_at"]


class ScheduleSerializer(Output):
    team = TeamSerializer()
    now = PersonSerializer(many=True, help_text="Who is on call at this moment")
    shifts = ShiftSerializer(many=True)


class IncidentSerializer(serializers.ModelSerializer[Incident]):
    services = serializers.SlugRelatedField[Service](slug_field="slug", many=True, read_only=True)

    class Meta:
        model = Incident
        fields = ["reference", "title", "url", "services", "opened_at", "closed_at"]


class AbsenceSerializer(serializers.ModelSerializer[Absence]):
    stand_in = PersonSerializer(allow_null=True)

    class Meta:
        model = Absence
        fields = ["id", "starts_at", "ends_at", "ended_at", "stand_in", "note"]
