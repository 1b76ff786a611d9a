"""Resume a CronJob that is suspended: its schedule starts Jobs again. Suspending it is the undo."""

from ..protocol import Risk, TargetKind
from ..registry import register
from ..switching import CronJobSwitch, SwitchParams


@register
class ResumeCronJob(CronJobSwitch):
    id, title, icon, risk = "resume-cronjob", "Resume", "player-play", Risk.LOW
    target, kinds = TargetKind.WORKLOAD, ("CronJob",)
    offered_when = ("paused", True)
    params = SwitchParams
    suspends, verb, opposite = False, "Resume", "suspend-cronjob"
