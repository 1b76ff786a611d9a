"""The OpenAPI description, for everybody: it says what could be called, which the source says too.

It is the same for every caller, so a process makes it once for each format: making it takes longer than answering most calls.
"""

from functools import cache

from django.http import HttpResponse
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import (
    OpenApiJsonRenderer,
    OpenApiJsonRenderer2,
    OpenApiYamlRenderer,
    OpenApiYamlRenderer2,
)
from rest_framework.request import Request
from rest_framework.views import APIView


class Description(APIView):
    """YAML, or JSON for who asks for it (`Accept`, or `?format=json`)."""

    schema = None
    http_method_names = ["get", "head"]
    authentication_classes = ()
    permission_classes = ()
    renderer_classes = [OpenApiYamlRenderer, OpenApiYamlRenderer2, OpenApiJsonRenderer, OpenApiJsonRenderer2]

    def get(self, request: Request) -> HttpResponse:
        media_type = request.accepted_renderer.media_type
        return HttpResponse(described(media_type), content_type=media_type)


@cache
def described(media_type: str) -> bytes:
    renderer = next(each for each in Description.renderer_classes if each.media_type == media_type)
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # the library is not typed
    rendered = renderer().render(schema, renderer_context={})
    return rendered.encode() if isinstance(rendered, str) else bytes(rendered)
