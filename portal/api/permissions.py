"""Who may call an endpoint at all: somebody who is signed in, with a token only as far as its scopes go.

What they may do there is decided by the services and queries, for pages and programs alike. An endpoint that names no scope for a
method is closed to tokens, so that forgetting one does not open it.
"""

from typing import TYPE_CHECKING

from django.db import transaction
from rest_framework import exceptions
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from actions.services import actor_of
from audit import writer
from audit.events import Event
from inventory.models import Person
from portal.models import ApiToken

if TYPE_CHECKING:
    from rest_framework.views import APIView  # which imports this module, by way of the settings


class InsufficientScope(exceptions.PermissionDenied):
    default_code = "insufficient_scope"

    def __init__(self, scope: str) -> None:
        self.auth_header = f'Bearer realm="afterdeck", error="insufficient_scope", scope="{scope}"'
        what = f"the scope {scope}" if scope else "a person who is signed in, which a token is not"
        super().__init__(f"This needs {what}.")


class SignedInWithScope(BasePermission):
    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not isinstance(request.user, Person) or not request.user.is_active:
            return False
        token = request.auth
        if token is None:
            return True
        method = "GET" if request.method == "HEAD" else request.method
        scope = getattr(view, "scopes", {}).get(method, "")
        if isinstance(token, ApiToken) and scope and scope in token.scopes:
            return True
        if method not in view.allowed_methods:
            return True  # the view answers 405
        _record(request.user, request, scope)
        raise InsufficientScope(scope)


def require_scope(request: Request, scope: str) -> None:
    """For what takes one more scope than its method does, because of what it is asked about. Raises `InsufficientScope`, recorded."""
    token = request.auth
    if isinstance(token, ApiToken) and scope not in token.scopes:
        _record(token.person, request, scope)
        raise InsufficientScope(scope)


def _record(person: Person, request: Request, scope: str) -> None:
    wanted = f"scope {scope}" if scope else "a session"
    with transaction.atomic():
        writer.record(
            Event(
                "access.refused", actor_of(person), f"a token without {wanted}: {request.method} {request.path[:200]}",
                details={"token_id": request.auth.pk, "scope": scope},
            )
        )  # fmt: skip
