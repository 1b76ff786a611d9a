"""Processes of the portal that a test can kill: workers and the web server, each behind a wire of its own to the cluster."""

import json
import os
import secrets
import signal
import socket
import sys
from pathlib import Path
from typing import Any

import urllib3

from sandbox.processes import Part, Process
from sandbox.stack import Endpoints
from tests import environment
from tests.faults import Wire

HOUSE = Path(__file__).parents[2]
LEASE_SECONDS = 2


class PortalProcess:
    """One process, started with the settings of the tests and a kubeconfig that leads over `wire`."""

    def __init__(self, name: str, *arguments: str, endpoints: Endpoints, home: Path, **settings: str) -> None:
        self.wire = Wire.to_cluster(endpoints)
        unique = f"{name}-{secrets.token_hex(3)}"
        path = self.wire.write_kubeconfig(endpoints, home / f"{unique}.kubeconfig")
        self.log = home / f"{unique}.log"
        clusters = {"sandbox": {"kubeconfig": str(path), "simulated": True}}
        part = Part(
            name,
            (sys.executable, "-m", *arguments),
            ready=lambda: True,
            directory=HOUSE,
            environment={
                **environment.variables(),
                "AFTERDECK_CLUSTERS": json.dumps(clusters),
                "AFTERDECK_LEASE_SECONDS": str(LEASE_SECONDS),
                "AFTERDECK_LOG_LEVEL": "INFO",
                **settings,
            },
        )
        self._process = Process(part, self.log, holds=())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.running

    def kill(self) -> None:
        """As the kernel does when memory runs out."""
        os.kill(self.pid, signal.SIGKILL)
        self._process.stop()  # reaps it

    def start_again(self) -> None:
        self._process.restart()

    def freeze(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def tell_to_stop(self) -> None:
        os.kill(self.pid, signal.SIGTERM)

    def remove(self) -> None:
        if self.running:
            self.kill()
        self.wire.remove()


class Worker(PortalProcess):
    def __init__(self, endpoints: Endpoints, home: Path, **settings: str) -> None:
        arguments = ("worker", "--pool", "threads", "--concurrency", "4", "--without-mingle", "--without-gossip")
        super().__init__("worker", "celery", "-A", "portal", *arguments, endpoints=endpoints, home=home, **settings)


class Web(PortalProcess):
    """The web server. `click` is what a person's browser or script does, over HTTP."""

    def __init__(self, endpoints: Endpoints, home: Path, token: str, **settings: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        self._url, self._token = f"http://127.0.0.1:{port}", token
        arguments = ("portal.asgi:application", "--host=127.0.0.1", f"--port={port}", "--no-access-log")
        super().__init__("web", "uvicorn", *arguments, endpoints=endpoints, home=home, **settings)

    @property
    def answers(self) -> bool:
        try:
            return urllib3.request("GET", f"{self._url}/healthz", retries=False, timeout=2).status == 200
        except urllib3.exceptions.HTTPError:
            return False

    def click(self, action: str, workload: int, *, key: str = "", **params: Any) -> urllib3.BaseHTTPResponse:
        body = {"action": action, "target": workload, "params": params, "reason": "The pool is stuck."}
        headers = {"Authorization": f"Bearer {self._token}", **({"Idempotency-Key": key} if key else {})}
        return urllib3.request(
            "POST", f"{self._url}/api/requests", json=body, headers=headers, retries=False, timeout=60
        )

    def credential(self, grant: int) -> str:
        """The wrapping token of a grant's credential, made by this server."""
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = urllib3.request("POST", f"{self._url}/api/grants/{grant}/credential", headers=headers, timeout=20)
        assert answer.status == 201, answer.data
        return str(answer.json()["wrapping_token"])

    def looks(self, request: int) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {self._token}"}
        answer = urllib3.request(
            "GET", f"{self._url}/api/requests/{request}", headers=headers, retries=False, timeout=10
        )
        assert answer.status == 200, answer.data
        found: dict[str, Any] = answer.json()
        return found
