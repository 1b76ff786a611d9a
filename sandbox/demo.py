"""The whole product on top of the sandbox's servers: its database, web, worker, beat, and a first few days of history.

The portal is configured by nothing but its environment, as anywhere else. Your own cluster and Vault take the place of the embedded
ones when `KUBECONFIG` and `VAULT_ADDR` are set; on those, no history is made, because making it means doing things.
"""

import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.building import Say
from sandbox.people import PEOPLE
from sandbox.probing import answers
from sandbox.processes import Part, PartFailed, Processes
from sandbox.stack import Endpoints, Stack
from sandbox.state import State, write_private

HOUSE = Path(__file__).parent.parent
SOAK_SECONDS = "8"  # long enough to see a pod turn unready, short enough to watch
TOO_SOON = 5.0  # seconds; what ends earlier than this after its start will end again


@dataclass(frozen=True)
class Own:
    """The user's own servers, used instead of the embedded ones."""

    kubeconfig: Path | None
    vault_address: str | None
    vault_token: str | None

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "Own":
        kubeconfig, address = environ.get("KUBECONFIG"), environ.get("VAULT_ADDR")
        if kubeconfig and not Path(kubeconfig).is_file():
            raise PartFailed(
                "your cluster", f"KUBECONFIG={kubeconfig} is not one file.", remedy="Name one, or unset it."
            )
        if address and not environ.get("VAULT_TOKEN"):
            raise PartFailed(
                "your Vault", "VAULT_ADDR is set, but VAULT_TOKEN is not.", remedy="Set it, or unset both."
            )
        return cls(Path(kubeconfig) if kubeconfig else None, address, environ.get("VAULT_TOKEN"))

    @property
    def any(self) -> bool:
        return bool(self.kubeconfig or self.vault_address)


def run(root: Path, *, say: Say) -> None:
    """Start everything, print where it is, and keep it running until interrupted."""
    own = Own.of(os.environ)
    if own.kubeconfig:
        say(f"Using your own cluster, from KUBECONFIG={own.kubeconfig}")
    if own.vault_address:
        say(f"Using your own Vault, at VAULT_ADDR={own.vault_address}")
    stack = Stack(root, say=say, with_kubernetes=own.kubeconfig is None, with_vault=own.vault_address is None)
    try:
        endpoints = stack.start()
        stack.synchronise_in_background()
        demo = Demo(root, stack.state, stack.processes, endpoints, own, say)
        demo.start()
        demo.keep_running()
    finally:
        stack.stop()


class Demo:
    def __init__(
        self, root: Path, state: State, processes: Processes, endpoints: Endpoints, own: Own, say: Say
    ) -> None:
        self._root, self._state, self._processes, self._say = root.resolve(), state, processes, say
        self._endpoints, self._own = endpoints, own
        self._port = state.port("web")
        self.url = f"http://127.0.0.1:{self._port}"
        self._environment = self._settings()
        self._started: dict[str, float] = {}

    def start(self) -> None:
        self._say("Setting up the database")
        owner = {"AFTERDECK_OWNER_DATABASE_URL": self._endpoints.postgres_owner_url}
        self._run_once("setup-database", "manage.py", "setup_database", environment=owner)
        self._say("Starting web, worker and beat")
        web = (
            "-m",
            "uvicorn",
            "portal.asgi:application",
            "--host=127.0.0.1",
            f"--port={self._port}",
            "--no-access-log",
        )
        self._start_part("web", *web, waits_for=f"{self.url}/healthz")
        # After web, which is what people wait for: all three would share the same two cores for their imports.
        celery = ("-m", "celery", "-A", "portal")
        self._start_part(
            "worker", *celery, "worker", "--pool=threads", "--concurrency=8", "--without-mingle", "--without-gossip"
        )
        self._start_part("beat", *celery, "beat", f"--schedule={self._root / 'beat-schedule'}")
        seeded = self._root / "seeded"
        if not seeded.exists():
            self._say(
                "Bringing in the people" + ("" if self._own.any else ", and making some history by real requests")
            )
            self._run_once("seed", "-m", "sandbox.seed", *([] if self._own.any else ["--history"]), relayed=True)
            seeded.touch()
        self._say(f"Afterdeck runs at {self.url}")
        print(self._welcome(), flush=True)

    def keep_running(self) -> None:
        """Bring back what ends, as anything that runs the portal for real would."""
        while True:
            time.sleep(0.5)
            for name, started in self._started.items():
                process = self._processes[name]
                if process.running:
                    continue
                if time.monotonic() - started < TOO_SOON:
                    raise PartFailed(name, "ended right after its start.", log=process.log, remedy="Read its log.")
                self._say(f"{name} ended; starting it again. Its log: {process.log}")
                self._started[name] = time.monotonic()
                self._processes.restart(name)

    def _start_part(self, name: str, *arguments: str, waits_for: str | None = None) -> None:
        self._started[name] = time.monotonic()
        part = Part(
            name,
            (sys.executable, *arguments),
            ready=(lambda: answers(waits_for)) if waits_for else lambda: True,
            directory=HOUSE,
            environment=self._environment,
        )
        self._processes.start(part)

    def _run_once(
        self, name: str, *arguments: str, environment: Mapping[str, str] | None = None, relayed: bool = False
    ) -> None:
        everything = {**self._environment, **(environment or {})}
        part = Part(name, (sys.executable, *arguments), directory=HOUSE, environment=everything)
        told = 0

        def relay(log: Path) -> None:
            nonlocal told
            lines = log.read_text().splitlines() if relayed else []
            for line in lines[told:]:
                if line.startswith("["):  # its sentences, without its own clock; not what the libraries log
                    self._say(line.partition("] ")[2])
            told = len(lines)

        self._processes.run(part, remedy="Read its log; `make demo-reset` starts afresh.", watch=relay)

    def _settings(self) -> dict[str, str]:
        return {
            "AFTERDECK_SECRET_KEY": self._state.secret("portal", size=32),
            "AFTERDECK_DATABASE_URL": self._endpoints.postgres_app_url,
            "AFTERDECK_VALKEY_URL": self._endpoints.valkey_url,
            "AFTERDECK_ALLOWED_HOSTS": "127.0.0.1,localhost",
            "AFTERDECK_BASE_URL": self.url,
            "AFTERDECK_CLUSTERS": json.dumps(self._clusters()),
            "AFTERDECK_VAULTS": json.dumps(self._vaults()),
            "AFTERDECK_SOAK_SECONDS": SOAK_SECONDS,
            "AFTERDECK_DEMO_PASSWORD": self._password,  # for the seed
            "DJANGO_SETTINGS_MODULE": "portal.settings",
            "PYTHONUNBUFFERED": "1",
        }

    @property
    def _password(self) -> str:
        return self._state.secret("demo/password", size=5)

    def _clusters(self) -> dict[str, Any]:
        if self._own.kubeconfig:
            return {"own": {"kubeconfig": str(self._own.kubeconfig.resolve()), "simulated": False}}
        return {
            "sandbox": {"kubeconfig": str(self._endpoints.kubeconfig_portal), "simulated": True, "team": "platform"}
        }

    def _vaults(self) -> dict[str, Any]:
        if self._own.vault_address:
            token_file = self._root / "own-vault-token"
            write_private(token_file, self._own.vault_token or "")
            return {"own": {"address": self._own.vault_address, "token_file": str(token_file)}}
        files = {
            "role_id_file": self._endpoints.vault_role_id_file,
            "secret_id_file": self._endpoints.vault_secret_id_file,
        }
        return {
            "sandbox": {"address": self._endpoints.vault_address, **{name: str(file) for name, file in files.items()}}
        }

    def _welcome(self) -> str:
        width = max(len(person.username) for person in PEOPLE)
        logins = [f"    {person.username:<{width}}  {person.part}" for person in PEOPLE]
        kubeconfig = self._own.kubeconfig or self._endpoints.kubeconfig_admin
        return "\n".join(
            [
                "",
                f"  {self.url}",
                "",
                f"  Sign in as one of these, all with the password {self._password}",
                *logins,
                "",
                f"  The same cluster from outside: kubectl --kubeconfig {kubeconfig} get pods -A",
                f"  Logs: {self._state.directory('logs')}",
                "  Ctrl-C stops everything; `make demo-reset` forgets it.",
                "",
            ]
        )
