"""Cordon a node: no new pods come onto it, those that are there go on running. Uncordoning it is the undo."""

from ..nodes import NodeSwitch, SwitchNodeParams
from ..protocol import Risk, TargetKind
from ..registry import register


@register
class CordonNode(NodeSwitch):
    id, title, icon, risk = "cordon-node", "Cordon", "ban", Risk.MEDIUM
    target, kinds = TargetKind.NODE, ("Node",)
    offered_when = ("schedulable", True)
    params = SwitchNodeParams
    schedulable, word, opposite = False, "cordon", "uncordon-node"
