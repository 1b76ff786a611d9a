"""Uncordon a node: new pods may come onto it again. Cordoning it is the undo."""

from ..nodes import NodeSwitch, SwitchNodeParams
from ..protocol import Risk, TargetKind
from ..registry import register


@register
class UncordonNode(NodeSwitch):
    id, title, icon, risk = "uncordon-node", "Uncordon", "circle-check", Risk.LOW
    target, kinds = TargetKind.NODE, ("Node",)
    offered_when = ("schedulable", False)
    params = SwitchNodeParams
    schedulable, word, opposite = True, "uncordon", "cordon-node"
