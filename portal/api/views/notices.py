"""What one was told, for whoever reads it with a program of their own."""

from typing import Any

from drf_spectacular.utils import extend_schema
from pydantic import Field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from portal.api.bodies import Body, Id, read
from portal.api.paging import PageQuery, moment_in, page_of, read_query
from portal.api.serializers.base import Output, listing
from portal.models import Notice, Scope
from portal.notices import channels, queries, services
from portal.notices.models import Kind

from .endpoint import Endpoint


class NoticeSerializer(serializers.ModelSerializer[Notice]):
    kind = serializers.ChoiceField(choices=Kind.choices)
    url = serializers.SerializerMethodField(help_text="The page it is about")
    request = serializers.IntegerField(source="request_id", allow_null=True)

    class Meta:
        model = Notice
        fields = ["id", "kind", "text", "url", "request", "at", "read_at"]

    def get_url(self, notice: Notice) -> str:
        return channels.address(notice.path)


class ReadSerializer(Output):
    read = serializers.IntegerField(help_text="How many were new until now")


class ReadBody(Body):
    up_to: Id = Field(description="The newest notice that was seen; what came since stays new")


class Notices(Endpoint):
    @extend_schema(operation_id="listNotices", parameters=[PageQuery], responses=listing("Notice", NoticeSerializer))
    def get(self, request: Request) -> Response:
        """Newest first."""
        query = read_query(PageQuery, request)
        found = queries.page(self.person, before=moment_in("notices", query), size=query["limit"])
        page = page_of("notices", found, query, _position)
        return Response({"items": NoticeSerializer(page.items, many=True).data, "next": page.next})


class NoticesRead(Endpoint):
    scopes = {"POST": Scope.REQUEST}

    @extend_schema(operation_id="markNoticesRead", request=ReadBody, responses=ReadSerializer)
    def post(self, request: Request) -> Response:
        read_now = services.mark_all_read(actor=self.person, up_to=read(ReadBody, request).up_to)
        return Response({"read": read_now})


def _position(notice: Notice) -> list[Any]:
    return [notice.at.isoformat(), notice.pk]
