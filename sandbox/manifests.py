"""Puts plain manifests into a cluster, in two ways that differ in whose word counts.

`apply` is for what is ours (roles, nodes): server-side apply, every time. `create_absent` is for the demo's world: what exists is
left alone, because by the second start people have changed it. Plain HTTP, since the client library takes a second to import.
"""

import json
import time
from dataclasses import dataclass
from functools import cache
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import yaml

from sandbox.probing import trusting

Manifest = dict[str, Any]

FIELD_MANAGER = "sandbox"
OWNERS = {
    "kustomize.toolkit.fluxcd.io/name": "kustomize-controller",
    "argocd.argoproj.io/tracking-id": "argocd-controller",
}
"""Who would have created what carries such a label or annotation, so that the cluster has on record which fields are theirs."""

PATIENCE = 30.0  # seconds, for a kind that was defined a moment ago


def read(path: Path) -> list[Manifest]:
    """The documents of a file, or of every YAML file in a directory by name."""
    files = sorted(path.glob("*.yaml")) if path.is_dir() else [path]
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    return [document for file in files for document in yaml.load_all(file.read_text(), Loader=loader) if document]


class Refused(Exception):
    """The cluster's answer was not a success."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status


@dataclass(frozen=True)
class Cluster:
    """A Kubernetes API server, spoken to as one account."""

    address: str
    authority: Path
    token: str

    def ask(self, method: str, path: str, body: Any = None, *, content_type: str = "application/json") -> Any:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": content_type}
        data = None if body is None else json.dumps(body).encode()
        request = Request(self.address + path, data=data, headers=headers, method=method)  # noqa: S310  (always https)
        try:
            with urlopen(request, timeout=30, context=trusting(self.authority)) as answer:  # noqa: S310
                text = answer.read()
        except HTTPError as error:
            raise Refused(error.code, error.read().decode(errors="replace")) from error
        return json.loads(text) if text.startswith(b"{") else text.decode()

    def ready(self) -> bool:
        """Whether it says that it is, to somebody it knows."""
        try:
            return bool(self.ask("GET", "/readyz") == "ok")
        except (Refused, OSError, HTTPException):
            return False

    def apply(self, manifests: list[Manifest]) -> None:
        for manifest in manifests:
            path = (
                f"{self._collection(manifest)}/{manifest['metadata']['name']}?fieldManager={FIELD_MANAGER}&force=true"
            )
            self.ask("PATCH", path, manifest, content_type="application/apply-patch+yaml")

    def create_absent(self, manifests: list[Manifest]) -> None:
        for manifest in manifests:
            try:
                self.ask("POST", f"{self._collection(manifest)}?fieldManager={_creator(manifest)}", manifest)
            except Refused as refused:
                if refused.status != 409:
                    raise

    def exists(self, path: str) -> bool:
        try:
            self.ask("GET", path)
        except Refused as refused:
            if refused.status != 404:
                raise
            return False
        return True

    def _collection(self, manifest: Manifest) -> str:
        version, kind = manifest["apiVersion"], manifest["kind"]
        prefix = f"/apis/{version}" if "/" in version else f"/api/{version}"
        plural, namespaced = self._resource(prefix, kind)
        return (
            f"{prefix}/namespaces/{manifest['metadata']['namespace']}/{plural}" if namespaced else f"{prefix}/{plural}"
        )

    @cache  # noqa: B019  (lives as long as the start that uses it)
    def _resource(self, prefix: str, kind: str) -> tuple[str, bool]:
        end = time.monotonic() + PATIENCE
        while True:
            try:
                for resource in self.ask("GET", prefix)["resources"]:
                    if resource["kind"] == kind and "/" not in resource["name"]:
                        return resource["name"], resource["namespaced"]
            except Refused as refused:
                if refused.status not in {404, 503}:
                    raise
            if time.monotonic() > end:
                raise Refused(404, f"The cluster does not know {prefix} {kind}.")
            time.sleep(0.05)


def _creator(manifest: Manifest) -> str:
    marks = {**manifest["metadata"].get("labels", {}), **manifest["metadata"].get("annotations", {})}
    return next((manager for mark, manager in OWNERS.items() if mark in marks), FIELD_MANAGER)
