"""Keeps what a task writes with its run: the end of it, without what looks like a credential, while it runs and at its end.

Afterwards the Job and its pods go, and with them the cluster's copy.
"""

import re
from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from audit.redact import HIDDEN, redact_text
from connectors.kubernetes.jobs import LogSeen

from . import bell, lifecycle
from .models import Execution, RunLog
from .protocol import Plan, World
from .registry import AnyAction, writes_logs

KEPT = 256 * 2**10
"""Bytes of each container's log, the last ones. We are shown more, so that what is cut here was looked through before."""
EVERY = timedelta(seconds=3)
"""How often a log is read again while the task goes on."""

_CUT_KEY = re.compile(r"\A(?:(?!-----BEGIN )[^\n]*\n)*?-----END [A-Z ]*PRIVATE KEY-----")
"""A private key of which the beginning is missing."""


def keep(execution: Execution, action: AnyAction, plan: Plan, world: World, *, last: bool) -> None:
    """Read the logs of the run's work and keep them, if it writes any and it is time. Raises `Lost`."""
    if not writes_logs(action.id):
        return
    now = timezone.now()
    newest = RunLog.objects.filter(execution=execution).order_by("-at").first()
    if newest is not None and not last and now - newest.at < EVERY:
        return
    seen = action.logs(plan, world)
    if not seen:
        return
    with transaction.atomic():
        lifecycle.update(
            execution, {"fence": execution.fence}
        )  # a log of a run that was taken from us is somebody else's to keep
        for each in seen:
            text, cut = _kept(each)
            RunLog.objects.update_or_create(
                execution=execution,
                pod=each.pod,
                container=each.container,
                defaults={"text": text, "truncated": each.truncated or cut, "at": now},
            )
        transaction.on_commit(lambda: bell.announce(execution.request_id))


def _kept(log: LogSeen) -> tuple[str, bool]:
    """Redacted first and cut then: a credential that was cut in two would not be known for one."""
    text = redact_text(_CUT_KEY.sub(HIDDEN, log.text))
    raw = text.encode()
    if len(raw) <= KEPT:
        return text, False
    whole = raw[-KEPT:].decode(errors="ignore")
    return whole[whole.find("\n") + 1 :], True
