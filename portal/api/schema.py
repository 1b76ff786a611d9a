"""The OpenAPI description, written from the code that answers: operations, the actions' own parameters, tokens, and problems."""

from typing import Any

from drf_spectacular.contrib.pydantic import PydanticExtension
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.plumbing import ResolvedComponent
from pydantic.json_schema import model_json_schema

from .errors import MEDIA_TYPE
from .serializers.base import ProblemSerializer


class OperationSchema(AutoSchema):
    """Whatever is not a success is a problem, for every operation."""

    def get_operation(self, *args: Any, **kwargs: Any) -> Any:
        operation = super().get_operation(*args, **kwargs)
        if operation is not None:
            problem = self.resolve_serializer(ProblemSerializer, "response").ref
            operation["responses"]["default"] = {
                "description": "A problem",
                "content": {MEDIA_TYPE: {"schema": problem}},
            }
        return operation


class BodyExtension(PydanticExtension):  # type: ignore[no-untyped-call]  # the library is not typed
    """Bodies as they are read, not as they would be written: a field with a default need not be sent."""

    target_class = "pydantic.BaseModel"
    match_subclasses = True
    priority = 1

    def map_serializer(self, auto_schema: AutoSchema, direction: str) -> dict[str, Any]:
        schema = model_json_schema(self.target, ref_template="#/components/schemas/{model}", mode="validation")
        for name, inside in schema.pop("$defs", {}).items():
            component = ResolvedComponent(name=name, type=ResolvedComponent.SCHEMA, object=name, schema=inside)  # type: ignore[no-untyped-call]  # the library is not typed
            auto_schema.registry.register_on_missing(component)
        return schema


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]  # the library is not typed
    target_class = "portal.api.tokens.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, Any]:
        return {
            "type": "http", "scheme": "bearer", "bearerFormat": "afd_…",
            "description": "A personal token; each operation needs one of its scopes.",
        }  # fmt: skip
