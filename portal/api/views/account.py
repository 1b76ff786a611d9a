"""Who is calling, and their tokens. A token cannot make tokens, see them, or take others back: only a person who is signed in can."""

from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from inventory.models import Team
from portal.api.bodies import TokenBody, read
from portal.api.serializers.account import MeSerializer, NewTokenSerializer, TokenSerializer
from portal.api.tokens import issue, revoke
from portal.models import ApiToken

from .endpoint import Endpoint


class Me(Endpoint):
    @extend_schema(operation_id="getMe", responses=MeSerializer)
    def get(self, request: Request) -> Response:
        person = self.person
        groups = person.groups.all()
        about = {
            "username": person.username,
            "name": person.name,
            "time_zone": person.time_zone,
            "is_superuser": person.is_superuser,
            "teams": Team.objects.filter(group__in=groups),
            "approves_for": Team.objects.filter(approvers__in=groups),
            "token": request.auth,
        }
        return Response(MeSerializer(about).data)


class Tokens(Endpoint):
    scopes = {}

    @extend_schema(operation_id="listTokens", responses=TokenSerializer(many=True))
    def get(self, request: Request) -> Response:
        """One's own, newest first, also those that no longer work."""
        return Response(TokenSerializer(ApiToken.objects.filter(person=self.person)[:200], many=True).data)

    @extend_schema(operation_id="createToken", request=TokenBody, responses={201: NewTokenSerializer})
    def post(self, request: Request) -> Response:
        body = read(TokenBody, request)
        token, text = issue(actor=self.person, name=body.name, scopes=body.scopes, days=body.days)
        answer = {**TokenSerializer(token).data, "token": text}
        return Response(answer, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


class TokenDetail(Endpoint):
    scopes = {}

    @extend_schema(operation_id="revokeToken", responses={200: TokenSerializer})
    def delete(self, request: Request, pk: int) -> Response:
        """Take it back, at once and for good. It stays in the list, as history does."""
        return Response(TokenSerializer(revoke(actor=self.person, token_id=pk)).data)
