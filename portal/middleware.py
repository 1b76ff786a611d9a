"""Binds what every record of a web request needs: its id, and the person's time zone."""

from collections.abc import Callable
from datetime import UTC
from uuid import uuid4

import structlog
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.decorators import sync_only_middleware

from audit.writer import correlation


@sync_only_middleware
class PortalMiddleware:
    """The id is ours: a header from outside could forge the correlation of an audit row."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        identifier = uuid4().hex
        token = correlation.set(identifier)
        structlog.contextvars.bind_contextvars(correlation=identifier)
        try:
            with timezone.override(getattr(request.user, "zone", UTC)):
                response = self.get_response(request)
        finally:
            correlation.reset(token)
            structlog.contextvars.unbind_contextvars("correlation")
        response["X-Request-ID"] = identifier
        return response
