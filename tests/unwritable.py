"""A table that the application cannot write to for a while: what cannot be recorded must not happen."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.conf import settings as django_settings
from django.db import connections
from psycopg import sql


@contextmanager
def unwritable(table: str, columns: tuple[str, ...] = ()) -> Iterator[None]:
    """The application may not insert into this table for a while, as if its disk were full."""
    which = sql.SQL(" ({})").format(sql.SQL(", ").join(map(sql.Identifier, columns))) if columns else sql.SQL("")
    role, name = sql.Identifier(django_settings.APP_DATABASE_ROLE), sql.Identifier(table)
    with connections["owner"].cursor() as cursor:
        cursor.execute(sql.SQL("REVOKE INSERT{} ON {} FROM {}").format(which, name, role))
        try:
            yield
        finally:
            cursor.execute(sql.SQL("GRANT INSERT{} ON {} TO {}").format(which, name, role))
