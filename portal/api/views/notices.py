"""What one was told, for whoever reads it with a program of their own."""

from typing import Annotated, Any

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
from portal.notices.models import Channel, Kind, Preference

from .endpoint import Endpoint

Kinds = list[Annotated[Kind, Field(strict=False)]]


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


class PreferenceSerializer(serializers.ModelSerializer[Preference]):
    email = serializers.ListField(child=serializers.ChoiceField(choices=Kind.choices))
    slack = serializers.ListField(child=serializers.ChoiceField(choices=Kind.choices))
    webhook = serializers.ListField(child=serializers.ChoiceField(choices=Kind.choices))

    class Meta:
        model = Preference
        fields = [*Channel.values, "every_minutes"]


class PreferenceBody(Body):
    """All of it: what is left out of a list does not go that way."""

    email: Kinds
    slack: Kinds
    webhook: Kinds
    every_minutes: int = Field(
        ge=0,
        le=services.LONGEST_BETWEEN,
        description="At most one message in so many, by each way; 0 sends each at once",
    )


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


class Preferences(Endpoint):
    http_method_names = ["get", "put", "head"]
    scopes = {"GET": Scope.READ, "PUT": Scope.REQUEST}

    @extend_schema(operation_id="getNoticePreferences", responses=PreferenceSerializer)
    def get(self, request: Request) -> Response:
        """Which kinds of notices go by which way, where that way leads anywhere. The list of notices has all of them."""
        return Response(PreferenceSerializer(channels.preference_of(self.person)).data)

    @extend_schema(operation_id="setNoticePreferences", request=PreferenceBody, responses=PreferenceSerializer)
    def put(self, request: Request) -> Response:
        """Make them these. The same again changes nothing."""
        body = read(PreferenceBody, request)
        wanted = {channel: getattr(body, channel) for channel in Channel}
        kept = services.choose(actor=self.person, wanted=wanted, every_minutes=body.every_minutes)
        return Response(PreferenceSerializer(kept).data)


def _position(notice: Notice) -> list[Any]:
    return [notice.at.isoformat(), notice.pk]
