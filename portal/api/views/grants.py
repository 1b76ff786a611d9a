"""Grants: who has what for how long, the credential of one's own, and giving it back."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from actions import granted, grants, handover
from actions.errors import NotFound
from actions.models import Grant
from actions.states import GrantState
from inventory.models import Person
from portal.api.paging import PageQuery, page_of, position_in, read_query
from portal.api.serializers.base import listing
from portal.api.serializers.grants import GrantSerializer, WrappedSerializer
from portal.models import Scope

from .endpoint import Endpoint


class GrantQuery(PageQuery):
    state = serializers.ChoiceField(required=False, choices=GrantState.choices)
    kind = serializers.ChoiceField(required=False, choices=Grant.Kind.choices)
    service = serializers.CharField(required=False, max_length=253)
    person = serializers.CharField(required=False, max_length=150, help_text="A username")


FILTERS = {
    "state": "state",
    "kind": "kind",
    "service": "request__service__slug",
    "person": "request__requester__username",
}
"""Query parameter → column. What a caller sends never names a column."""


class Grants(Endpoint):
    @extend_schema(operation_id="listGrants", parameters=[GrantQuery], responses=listing("Grant", GrantSerializer))
    def get(self, request: Request) -> Response:
        """Newest first."""
        query = read_query(GrantQuery, request)
        wanted = {column: query[name] for name, column in FILTERS.items() if name in query}
        rows = granted.grants_visible_to(self.person).filter(**wanted).order_by("-pk")
        if (position := position_in("grants", query)) is not None:
            rows = rows.filter(pk__lt=position[0])
        page = page_of("grants", list(rows[: query["limit"] + 1]), query, lambda row: [row.pk])
        return Response({"items": GrantSerializer(page.items, many=True).data, "next": page.next})


class GrantDetail(Endpoint):
    @extend_schema(operation_id="getGrant", responses=GrantSerializer)
    def get(self, request: Request, pk: int) -> Response:
        return Response(GrantSerializer(_visible(self.person, pk)).data)


class Credential(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(operation_id="handOver", request=None, responses={201: WrappedSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """Make the credential of a grant of one's own, wrapped. An earlier one is ended first, where the outside can do that."""
        wrapped = handover.hand_over(actor=self.person, grant=_visible(self.person, pk))
        return Response(WrappedSerializer(wrapped).data, status=status.HTTP_201_CREATED)


class GivingBack(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(operation_id="giveBack", request=None, responses={202: GrantSerializer})
    def post(self, request: Request, pk: int) -> Response:
        """End a grant before its time. Its end is a request of its own, with a plan and a proof."""
        grant = grants.give_back(actor=self.person, grant=_visible(self.person, pk))
        return Response(GrantSerializer(_visible(self.person, grant.pk)).data, status=status.HTTP_202_ACCEPTED)


def _visible(person: Person, pk: int) -> Grant:
    grant = granted.grant_for(person, pk)
    if grant is None:
        raise NotFound("There is no such grant, or you may not see it.")
    return grant
