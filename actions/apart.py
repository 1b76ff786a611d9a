"""One that cannot be done must not keep the others waiting: what is done again and again to many is done to each of them apart."""

from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from django.db import connection

log = structlog.get_logger(__name__)


@contextmanager
def apart(event: str, **about: object) -> Iterator[None]:
    """Log what goes wrong inside, under `event`, and go on. Without a database nothing can go on."""
    try:
        yield
    except Exception:
        if not connection.is_usable():
            raise
        log.exception(event, **about)
