"""What can be done, and what it would do: the catalog with the schema of each action's parameters, and previews.

Each action has a preview endpoint of its own in the schema, with its own parameters, so that a generated client is typed.
"""

from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.request import Request
from rest_framework.response import Response

from actions import offers, services
from actions.errors import NotFound
from actions.registry import AnyAction, UnknownAction, action_named, all_actions
from portal.api.bodies import PREVIEWS, PreviewBody, camel, read
from portal.api.serializers.plans import ActionSerializer, LessSerializer, PreviewSerializer
from portal.models import Scope

from .endpoint import Endpoint


class Actions(Endpoint):
    @extend_schema(operation_id="listActions", responses=ActionSerializer(many=True))
    def get(self, request: Request) -> Response:
        return Response(ActionSerializer(all_actions(), many=True).data)


class ActionDetail(Endpoint):
    @extend_schema(operation_id="getAction", responses=ActionSerializer)
    def get(self, request: Request, action: str) -> Response:
        try:
            return Response(ActionSerializer(action_named(action)).data)
        except UnknownAction as unknown:
            raise NotFound(str(unknown)) from unknown


@extend_schema_view(post=extend_schema(exclude=True))
class Preview(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    def post(self, request: Request, action: str) -> Response:
        """Plan it and ask the policy, now, without asking for it: reads and dry runs only."""
        body = read(PreviewBody, request)
        seen = services.preview(
            actor=self.person, action=action, target=body.target, params=body.params, terms=body.terms
        )
        return Response(PreviewSerializer(seen).data)


class Less(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(operation_id="offerLess", request=PreviewBody, responses=LessSerializer)
    def post(self, request: Request, action: str) -> Response:
        """The nearest smaller ask that needs fewer approvals, found by planning up to eight values. `offer` is null when there is none."""
        body = read(PreviewBody, request)
        found = offers.nearest(
            actor=self.person, action=action, target=body.target, params=body.params, terms=body.terms
        )
        return Response(LessSerializer({"offer": found}).data)


def preview_of(action: AnyAction) -> type[Preview]:
    """The same endpoint, with the parameters of this action in its schema."""
    documented = extend_schema(
        operation_id=f"preview{camel(action.id)}",
        request=PREVIEWS[action.id],
        responses=PreviewSerializer,
        exclude=False,
    )
    return extend_schema_view(post=documented)(type(f"Preview{camel(action.id)}", (Preview,), {}))
