"""What the task of a request's run wrote."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from actions import queries
from actions.errors import NotFound
from actions.models import RunLog
from portal.api.serializers.logs import RunLogSerializer

from .endpoint import Endpoint


class Logs(Endpoint):
    @extend_schema(operation_id="listRunLogs", responses=RunLogSerializer(many=True))
    def get(self, request: Request, pk: int) -> Response:
        """One for each container, as far as it has been read; empty before anything ran, and for actions that start nothing."""
        found = queries.request_for(self.person, pk)
        if found is None:
            raise NotFound("There is no such request, or you may not see it.")
        return Response(RunLogSerializer(RunLog.objects.filter(execution__request=found), many=True).data)
