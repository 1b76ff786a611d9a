"""The machines of the clusters, and what can be done to each; for administrators, auditors, and the team of the cluster."""

from django.db.models import QuerySet
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from actions.errors import NotAllowed, NotFound
from inventory import queries
from inventory.models import Node, Person
from inventory.nodes import may_see
from portal.api.paging import PageQuery, page_of, position_in, read_query
from portal.api.serializers.base import listing
from portal.api.serializers.nodes import NodeSerializer
from portal.api.serializers.plans import OfferSerializer
from portal.web.acts import acts_on

from .endpoint import Endpoint


class NodeQuery(PageQuery):
    q = serializers.CharField(required=False, max_length=253, help_text="A part of the name")
    cluster = serializers.CharField(required=False, max_length=63)


class Nodes(Endpoint):
    @extend_schema(operation_id="listNodes", parameters=[NodeQuery], responses=listing("Node", NodeSerializer))
    def get(self, request: Request) -> Response:
        """In the order in which they were first seen."""
        query = read_query(NodeQuery, request)
        rows = _visible(self.person).order_by("pk")
        if "q" in query:
            rows = rows.filter(name__icontains=query["q"])
        if "cluster" in query:
            rows = rows.filter(cluster__name=query["cluster"])
        if after := position_in("nodes", query):
            rows = rows.filter(pk__gt=after[0])
        page = page_of("nodes", list(rows[: query["limit"] + 1]), query, lambda node: [node.pk])
        return Response({"items": NodeSerializer(page.items, many=True).data, "next": page.next})


class NodeDetail(Endpoint):
    @extend_schema(operation_id="getNode", responses=NodeSerializer)
    def get(self, request: Request, node: int) -> Response:
        return Response(NodeSerializer(_node(self.person, node)).data)


class NodeOffers(Endpoint):
    @extend_schema(operation_id="listNodeOffers", responses=OfferSerializer(many=True))
    def get(self, request: Request, node: int) -> Response:
        """What can be done to this node, each with what the policy will answer."""
        offers = acts_on(self.person, _node(self.person, node), timezone.now())
        return Response(OfferSerializer(offers, many=True).data)


def _visible(person: Person) -> QuerySet[Node]:
    if not may_see(person):
        raise NotAllowed("Nodes are shown to administrators, auditors, and the team of their cluster. Ask one of them.")
    return queries.nodes_visible_to(person).filter(gone_at=None)


def _node(person: Person, pk: int) -> Node:
    node = _visible(person).filter(pk=pk).first() if pk < 2**63 else None
    if node is None:
        raise NotFound("There is no such node, or you may not see it.")
    return node
