"""The doorbell: Celery carries execution ids to workers, and nothing else.

Postgres is the truth. A message that is lost, late or repeated costs at most a poll interval, because every worker process also
watches the table (`actions.poller`). Hence no result backend, no ETA, no chains, no Celery retries.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, worker_init, worker_ready, worker_shutting_down

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")

app = Celery("afterdeck")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.conf.CELERY_DB_REUSE_MAX = 1000  # else Celery's Django fixup reconnects to Postgres around every task
app.autodiscover_tasks()


@setup_logging.connect
def keep_our_logging(**_: Any) -> None:
    """Django configured structlog already; Celery must not replace it."""


@worker_init.connect
def look_before_serving(**_: Any) -> None:
    app.loader.import_module("portal.startup").require_sound_installation()


@worker_ready.connect
def start_watching(**_: Any) -> None:
    app.loader.import_module("actions.poller").start()


@worker_shutting_down.connect
def stop_watching(**_: Any) -> None:
    app.loader.import_module("actions.poller").stop()
