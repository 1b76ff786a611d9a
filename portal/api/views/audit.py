"""The record, as far as the person may see it: everything for auditors and administrators, for others what concerns their services."""

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from audit import queries
from inventory.queries import VIEW, services_visible_to
from portal.api.paging import PageQuery, WholeField, moment_in, page_of, read_query
from portal.api.serializers import EventSerializer, listing
from portal.models import Scope

from .endpoint import Endpoint


class EventQuery(PageQuery):
    actor = serializers.CharField(required=False, max_length=200)
    service = serializers.CharField(required=False, max_length=253)
    action = serializers.CharField(required=False, max_length=64)
    environment = serializers.CharField(required=False, max_length=63)
    verb = serializers.CharField(required=False, max_length=64)
    request = WholeField(required=False, min_value=1, max_value=2**53)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


FILTERS = ("actor", "service", "action", "environment", "verb", "request", "since", "until")


class Events(Endpoint):
    scopes = {"GET": Scope.AUDIT}

    @extend_schema(operation_id="listEvents", parameters=[EventQuery], responses=listing("Event", EventSerializer))
    def get(self, request: Request) -> Response:
        """Newest first."""
        query = read_query(EventQuery, request)
        person = self.person
        everything = person.has_perm(f"inventory.{VIEW}")
        wanted = queries.Filter(
            **{name: query[name] for name in FILTERS if name in query},
            services=None if everything else list(services_visible_to(person).values_list("slug", flat=True)),
            viewer_id=person.pk,
        )
        found = queries.page(wanted, before=moment_in("events", query), size=query["limit"])
        page = page_of("events", found, query, lambda row: [row.at.isoformat(), row.pk])
        return Response({"items": EventSerializer(page.items, many=True).data, "next": page.next})
