"""The audit record for programs: looked through in pages, or exported whole. How much of it a person may see: `portal.record`."""

from typing import Any

from django.http import StreamingHttpResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from audit import queries
from audit.export import Format
from audit.queries import Filter
from portal.api.paging import PageQuery, WholeField, moment_in, page_of, read_query
from portal.api.serializers.account import EventSerializer
from portal.api.serializers.base import listing
from portal.models import Scope
from portal.record import exported, seen_by

from .endpoint import Endpoint


class EventFilter(serializers.Serializer[Any]):
    actor = serializers.CharField(required=False, max_length=200)
    service = serializers.CharField(required=False, max_length=253)
    action = serializers.CharField(required=False, max_length=64)
    environment = serializers.CharField(required=False, max_length=63)
    verb = serializers.CharField(required=False, max_length=64)
    request = WholeField(required=False, min_value=1, max_value=2**53)
    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)


class EventQuery(PageQuery, EventFilter):
    pass


class Events(Endpoint):
    scopes = {"GET": Scope.AUDIT}

    @extend_schema(operation_id="listEvents", parameters=[EventQuery], responses=listing("Event", EventSerializer))
    def get(self, request: Request) -> Response:
        """Newest first."""
        query = read_query(EventQuery, request)
        wanted = seen_by(self.person, _filter(query))
        found = queries.page(wanted, before=moment_in("events", query), size=query["limit"])
        page = page_of("events", found, query, lambda row: [row.at.isoformat(), row.pk])
        return Response({"items": EventSerializer(page.items, many=True).data, "next": page.next})


class AnyFormat(DefaultContentNegotiation):
    """The address says what the file is; what a caller would rather have changes nothing."""

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        return renderers[0], renderers[0].media_type


class Export(Endpoint):
    http_method_names = ["get"]
    scopes = {"GET": Scope.AUDIT}
    content_negotiation_class = AnyFormat
    kind: Format

    def get(self, request: Request) -> StreamingHttpResponse:
        query = read_query(EventFilter, request)
        filters = {name: str(value) for name, value in query.items()}
        return exported(actor=self.person, wanted=seen_by(self.person, _filter(query)), kind=self.kind, filters=filters)


class CsvExport(Export):
    kind = Format.CSV

    @extend_schema(
        operation_id="exportEventsAsCsv", parameters=[EventFilter], responses={(200, "text/csv"): OpenApiTypes.STR}
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        """Every event that matches, for spreadsheets: what one could run as a formula is neutralised. Streamed, and on record."""
        return super().get(request)


class JsonLinesExport(Export):
    kind = Format.JSONL

    @extend_schema(
        operation_id="exportEventsAsJsonLines", parameters=[EventFilter],
        responses={(200, "application/jsonl"): OpenApiTypes.STR},
    )  # fmt: skip
    def get(self, request: Request) -> StreamingHttpResponse:
        """Every event that matches, a line each: byte for byte the text that is hashed. Streamed, and on record."""
        return super().get(request)


def _filter(query: dict[str, Any]) -> Filter:
    return Filter(**{name: value for name, value in query.items() if name not in ("cursor", "limit")})
