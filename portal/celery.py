"""The doorbell: Celery carries execution ids to workers, and nothing else.

Postgres is the truth. A message that is lost, late or repeated costs at most a poll interval, because every worker process also
watches the table (`actions.poller`). Hence no result backend, no ETA, no chains, no Celery retries.
"""

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging, task_prerun, worker_init, worker_shutdown, worker_shutting_down
from django.db import close_old_connections

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


@task_prerun.connect
def leave_broken_connections(**_: Any) -> None:
    """Or a thread would keep a connection that Postgres ended, and fail every task, until it was used a thousand times."""
    close_old_connections()


@worker_init.connect  # not worker_ready, which waits for the broker: a worker has to work while there is none
def start_watching(**_: Any) -> None:
    notices = app.loader.import_module("portal.notices.jobs")
    app.loader.import_module("actions.poller").start(*notices.JOBS)


@worker_shutting_down.connect
def stop_watching(**_: Any) -> None:
    app.loader.import_module("actions.poller").stop()


@worker_shutdown.connect
def finish_watching(**_: Any) -> None:
    app.loader.import_module("actions.poller").finish()
