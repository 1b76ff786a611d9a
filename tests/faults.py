"""The network between a part of ours and the cluster, which a test can slow down, break and mend: one proxy of Toxiproxy."""

import json
import secrets
from pathlib import Path
from typing import Any

import urllib3
import yaml

from sandbox.stack import Endpoints


class Wire:
    """Starts healthy. Toxics act on connections that are open already, too."""

    def __init__(self, toxiproxy: str, upstream: str) -> None:
        self._toxiproxy, self._name = toxiproxy, f"wire-{secrets.token_hex(4)}"
        made = self._ask("POST", "", name=self._name, listen="127.0.0.1:0", upstream=upstream)
        self.address: str = made["listen"]
        self._toxics: list[str] = []

    @classmethod
    def to_cluster(cls, endpoints: Endpoints) -> "Wire":
        assert endpoints.toxiproxy_url, "This stack has no Toxiproxy."
        return cls(endpoints.toxiproxy_url, kubeconfig(endpoints)["clusters"][0]["cluster"]["server"].split("//")[1])

    def write_kubeconfig(self, endpoints: Endpoints, path: Path) -> Path:
        """The portal's own, with the cluster at the other end of this wire."""
        config = kubeconfig(endpoints)
        config["clusters"][0]["cluster"]["server"] = f"https://{self.address}"
        path.write_text(json.dumps(config))
        return path

    def slow_requests(self, milliseconds: int) -> None:
        self._toxic("latency", "upstream", latency=milliseconds)

    def slow_answers(self, milliseconds: int) -> None:
        self._toxic("latency", "downstream", latency=milliseconds)

    def lose_answers(self) -> None:
        """Requests arrive; what the server answers does not, and after a second the connection is closed."""
        self._toxic("timeout", "downstream", timeout=1000)

    def swallow_answers(self) -> None:
        """As `lose_answers`, but the connection stays open: whoever waits for an answer waits until its own patience ends."""
        self._toxic("timeout", "downstream", timeout=0)

    def lose_requests(self) -> None:
        self._toxic("timeout", "upstream", timeout=1000)

    def cut(self) -> None:
        """Close every connection with what is on its way, and refuse new ones. A toxic would let out what another holds back."""
        self._ask("PATCH", f"/{self._name}", enabled=False)

    def mend(self) -> None:
        for name in self._toxics:
            self._ask("DELETE", f"/{self._name}/toxics/{name}")
        self._toxics.clear()
        self._ask("PATCH", f"/{self._name}", enabled=True)

    def remove(self) -> None:
        self._ask("DELETE", f"/{self._name}")

    def _toxic(self, kind: str, stream: str, **attributes: int) -> None:
        made = self._ask("POST", f"/{self._name}/toxics", type=kind, stream=stream, attributes=attributes)
        self._toxics.append(made["name"])

    def _ask(self, method: str, path: str, **body: Any) -> Any:
        url = f"{self._toxiproxy}/proxies{path}"
        answer = urllib3.request(method, url, json=body, headers={"User-Agent": "tests"})
        gone = (
            method == "DELETE" and answer.status == 404
        )  # it was deleted, but the answer got lost: Toxiproxy may stumble then
        assert answer.status < 300 or gone, answer.data
        return answer.json() if answer.data else None


def kubeconfig(endpoints: Endpoints) -> Any:
    return yaml.safe_load(endpoints.kubeconfig_portal.read_text())
