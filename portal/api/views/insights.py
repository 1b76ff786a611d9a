"""What each gate costs and what it catches, for reports and dashboards of one's own."""

from datetime import timedelta

from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from actions import ledger
from portal.api.paging import WholeField, read_query
from portal.api.serializers.insights import GateSerializer

from .endpoint import Endpoint


class WindowQuery(serializers.Serializer[object]):
    days = WholeField(required=False, default=30, min_value=1, max_value=90)


class Gates(Endpoint):
    @extend_schema(operation_id="listGates", parameters=[WindowQuery], responses=GateSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Per rule that asked somebody, over the requests of the last days that one sees; the most waiting first."""
        until = timezone.now()
        days = read_query(WindowQuery, request)["days"]
        return Response(GateSerializer(ledger.gates(self.person, until - timedelta(days=days), until), many=True).data)
