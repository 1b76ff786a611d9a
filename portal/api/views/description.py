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
from rest_framework.renderers import BaseRenderer
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
        renderer = request.accepted_renderer
        return HttpResponse(described(type(renderer)), content_type=renderer.media_type)


@cache
def described(renderer: type[BaseRenderer]) -> bytes:
    rendered = renderer().render(SchemaGenerator().get_schema(request=None, public=True), renderer_context={})
    return rendered.encode() if isinstance(rendered, str) else bytes(rendered)
