"""Where a credential must never be: every column of every table of ours, and everything in Valkey."""

from collections.abc import Callable, Iterable
from typing import Any

import redis
from django.conf import settings
from django.db import connection
from psycopg import sql

from portal.database import tables_of_ours

READ: dict[str, Callable[[Any, bytes], object]] = {
    "string": lambda valkey, key: valkey.get(key),
    "list": lambda valkey, key: valkey.lrange(key, 0, -1),
    "set": lambda valkey, key: valkey.smembers(key),
    "zset": lambda valkey, key: valkey.zrange(key, 0, -1),
    "hash": lambda valkey, key: valkey.hgetall(key),
    "stream": lambda valkey, key: valkey.xrange(key),
}


def found_at_rest(values: Iterable[str]) -> list[str]:
    """The places that hold one of the values."""
    sought = list(values)
    assert all(len(value) >= 16 for value in sought), "Too short to be found for certain."
    places = []
    with connection.cursor() as cursor:
        for table in tables_of_ours():
            cursor.execute(sql.SQL("SELECT t::text FROM {} t").format(sql.Identifier(table)))
            if any(value in text for (text,) in cursor.fetchall() for value in sought):
                places.append(table)
    with redis.Redis.from_url(str(settings.CONFIGURATION.valkey_url)) as valkey:
        for key in valkey.scan_iter():
            read = READ.get(valkey.type(key).decode())
            held = repr(read(valkey, key)) if read else ""  # gone since it was listed
            if any(value in held for value in sought):
                places.append(repr(key))
    return places
