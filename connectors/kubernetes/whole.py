"""An object as it came, read twice: for what we know of it, and for every field in which two of them could differ."""

from dataclasses import replace
from typing import Any

import msgspec

from connectors.kubernetes import reading, wire
from connectors.kubernetes.fields import fields
from connectors.kubernetes.seen import AutoscalerSeen, WorkloadSeen

Whole = dict[str, Any]


def workload(kind: str, whole: Whole) -> WorkloadSeen:
    return replace(reading.workload(kind, msgspec.convert(whole, wire.Workload)), fields=fields(whole))


def autoscaler(whole: Whole) -> AutoscalerSeen:
    return replace(reading.autoscaler(msgspec.convert(whole, wire.Autoscaler)), fields=fields(whole))
