"""Suspend a CronJob: from now on its schedule starts nothing. Jobs that run go on. Resuming it is the undo."""

from ..protocol import Risk, TargetKind
from ..registry import register
from ..switching import CronJobSwitch, SwitchParams


@register
class SuspendCronJob(CronJobSwitch):
    id, title, icon, risk = "suspend-cronjob", "Suspend", "player-pause", Risk.MEDIUM
    target, kinds = TargetKind.WORKLOAD, ("CronJob",)
    offered_when = ("paused", False)
    params = SwitchParams
    suspends, verb, opposite = True, "Suspend", "resume-cronjob"
