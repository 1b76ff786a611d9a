"""The barest hop there is: a Celery task that inserts one row. What a click costs is told as a multiple of it."""

import os
import threading

import psycopg
from celery import Celery

from benchmarks.place import Place

QUEUE = "hop"
TASK = "benchmarks.hop"

app = Celery("hop", broker=os.environ["AFTERDECK_VALKEY_URL"], set_as_current=False)
app.conf.update(
    task_default_queue=QUEUE,
    task_ignore_result=True,
    task_acks_late=True,
    worker_prefetch_multiplier=1,
    result_backend=None,
)
_local = threading.local()


@app.task(name=TASK)  # type: ignore[untyped-decorator]  # Celery has no types
def insert(number: int) -> None:
    if not hasattr(_local, "connection"):
        _local.connection = psycopg.connect(Place.here().database, autocommit=True)
    _local.connection.execute("INSERT INTO hop (id) VALUES (%s)", [number])
