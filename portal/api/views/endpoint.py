"""What every endpoint is built on: a known person, a scope for each method, and an answer for an address that is none."""

from collections.abc import Mapping
from typing import ClassVar

from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.views import APIView

from inventory.models import Person
from portal.models import Scope


class Endpoint(APIView):
    """`scopes` names what a token needs for each method; a method that is not there is closed to tokens."""

    http_method_names = ["get", "post", "delete", "head"]
    scopes: ClassVar[Mapping[str, str]] = {"GET": Scope.READ}

    @property
    def person(self) -> Person:
        person = self.request.user
        assert isinstance(person, Person)  # SignedInWithScope has let nobody else in
        return person

    @property
    def default_response_headers(self) -> dict[str, str]:
        return {**super().default_response_headers, "Cache-Control": "no-store"}


class NoSuchEndpoint(APIView):
    """Whatever lies below /api/ and is nothing else answers as the API does, to everybody and every method."""

    schema = None
    authentication_classes = ()
    permission_classes = ()

    def initial(self, request: Request, *args: object, **kwargs: object) -> None:
        raise NotFound("There is no such endpoint. /api/schema lists those there are.")
