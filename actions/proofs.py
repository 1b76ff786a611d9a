"""What a workload runs, so that it can be recognised later: the hash of its template, and each container's image by digest.

A tag can mean another image tomorrow. So where a template names a tag, the digest is what the nodes say they pulled for it, if all of
them say the same.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from connectors.kubernetes import PodSeen, WorkloadSeen

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


def proof(seen: WorkloadSeen, pods: Sequence[PodSeen]) -> Mapping[str, Any]:
    """Of a workload that was seen to be good, with all its pods."""
    present = [pod for pod in pods if not pod.terminating]
    images = {
        container.name: _by_digest(container.image, {pod.images.get(container.name, "") for pod in present})
        for container in seen.containers
    }
    return {"template": seen.template_hash, "images": images}


def repository(image: str) -> str:
    """Of `registry:5000/shop/app:1.4@sha256:…` it is `registry:5000/shop/app`."""
    name = image.partition("@")[0]
    path, slash, last = name.rpartition("/")
    return f"{path}{slash}{last.partition(':')[0]}"


def digest(image: str) -> str:
    """`sha256:…`, or empty when the image is not named by one."""
    found = image.partition("@")[2]
    return found if DIGEST.fullmatch(found) else ""


def _by_digest(image: str, pulled: set[str]) -> str:
    if digest(image) or len(pulled) != 1:
        return image
    # `docker.io/shop/app@sha256:…`; a bare `sha256:…` is the id of a configuration, and pulls nothing.
    found = digest(pulled.pop())
    return f"{repository(image)}@{found}" if found else image
