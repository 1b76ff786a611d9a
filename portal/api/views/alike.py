"""Approving the same small change in several places with one call, as the page does: each is a vote of its own, answered by itself."""

from drf_spectacular.utils import extend_schema, inline_serializer
from rest_framework.request import Request
from rest_framework.response import Response

from actions import bulk
from actions.errors import BadParams
from portal.api.bodies import AlikeBody, read
from portal.api.serializers.requests import AlikeResultSerializer
from portal.models import Scope

from .endpoint import Endpoint

ENTRANCE = "api"


class Alike(Endpoint):
    scopes = {"POST": Scope.APPROVE}

    @extend_schema(
        operation_id="approveAlike",
        request=AlikeBody,
        responses=inline_serializer("AlikeResults", {"items": AlikeResultSerializer(many=True)}),
    )
    def post(self, request: Request, shape: str) -> Response:
        """Approve several requests of low risk whose `alike` is the one in the address, each on the digest that you looked at.

        One that is refused keeps no other from being counted, so this answers with 200 also when all are. Sent again, a vote that
        counted is refused as one that was cast before, and nothing changes.
        """
        body = read(AlikeBody, request)
        shown = {each.request: bulk.Shown(each.digest) for each in body.items}
        if len(shown) < len(body.items):
            raise BadParams({"items": ["Each request once: which digest is meant?"]})
        results = bulk.approve(actor=self.person, shape=shape, shown=shown, note=body.note, entrance=ENTRANCE)
        return Response({"items": AlikeResultSerializer(results, many=True).data})
