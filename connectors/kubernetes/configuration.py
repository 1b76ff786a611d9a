"""What an administrator says about a cluster."""

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ClusterConfig:
    kubeconfig: Path
    context: str | None = None
    simulated: bool = False  # the machines under the pods are not real, and the pages say so
    read_only: bool = False
    server_for_people: str = ""  # where people reach it, when that is not where we do
