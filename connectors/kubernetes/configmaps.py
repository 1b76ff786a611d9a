"""A ConfigMap as it was seen. Its texts are what a change of it is compared by; they may be long."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from connectors.kubernetes import wire
from connectors.kubernetes.gitops import claimed_by
from connectors.kubernetes.reading import reference
from connectors.kubernetes.seen import EXECUTION, GitOpsOwner, ObjectRef
from connectors.kubernetes.whole import Whole

KIND = "ConfigMap"


class ConfigMap(wire.Wire):
    metadata: wire.Meta
    data: wire.Text = {}
    immutable: bool = False


@dataclass(frozen=True, slots=True)
class ConfigMapSeen:
    ref: ObjectRef
    resource_version: str
    data: Mapping[str, str] = field(repr=False)  # what is not text is not among it
    immutable: bool
    execution: str | None  # the last of our executions that wrote to it
    owner: GitOpsOwner | None


def config_map(whole: Whole) -> ConfigMapSeen:
    seen = msgspec.convert(whole, ConfigMap)
    meta = seen.metadata
    return ConfigMapSeen(
        ref=reference(KIND, meta),
        resource_version=meta.resource_version,
        data=seen.data,
        immutable=seen.immutable,
        execution=meta.annotations.get(EXECUTION),
        owner=claimed_by(KIND, meta),
    )
