"""Starts a whole portal on a sandbox of its own, measures it, and writes docs/performance.md. `make bench` runs it.

The measuring happens in a process of its own, because Django reads where everything is before anything can be imported.
"""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import psycopg

from benchmarks.place import Place
from sandbox.probing import answers
from sandbox.processes import Part
from sandbox.stack import Endpoints, Stack

HOUSE = Path(__file__).parents[1]
MEASURE = "import django; django.setup(); from benchmarks.measure import main; main()"


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="afterdeck-bench-") as directory:
        stack = Stack(Path(directory), say=print, with_vault=False)
        try:
            _measure(stack, stack.start())
        finally:
            stack.stop()


def _measure(stack: Stack, endpoints: Endpoints) -> None:
    _keep_commit_times(stack, endpoints)
    port = stack.state.port("web")
    place = Place(f"http://127.0.0.1:{port}", endpoints)
    environment = _settings(endpoints, place)
    _run(
        environment,
        "manage.py",
        "setup_database",
        "--verbosity=0",
        AFTERDECK_OWNER_DATABASE_URL=endpoints.postgres_owner_url,
    )

    def start(name: str, *arguments: str, ready: Callable[[], bool] = lambda: True) -> None:
        command = (sys.executable, "-m", *arguments)
        stack.processes.start(Part(name, command, ready=ready, directory=HOUSE, environment=environment))

    print("Starting web, worker and a worker that only hops")
    quiet = ("worker", "--pool=threads", "--concurrency=8", "--without-mingle", "--without-gossip")
    start("worker", "celery", "-A", "portal", *quiet)
    start("hop", "celery", "-A", "benchmarks.hop", *quiet)
    web = ("uvicorn", "portal.asgi:application", "--host=127.0.0.1", f"--port={port}", "--no-access-log")
    start("web", *web, ready=lambda: answers(f"{place.url}/healthz"))
    _run(environment, "-c", MEASURE)


def _keep_commit_times(stack: Stack, endpoints: Endpoints) -> None:
    """So that a row can be asked when it was committed, and nobody has to watch for it."""
    with psycopg.connect(endpoints.postgres_superuser_url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET track_commit_timestamp = on")
    stack.processes.restart("postgres")


def _settings(endpoints: Endpoints, place: Place) -> dict[str, str]:
    """As an installation has them by default, but for the soak: it is waiting, and not work."""
    return {
        "DJANGO_SETTINGS_MODULE": "portal.settings",
        "AFTERDECK_SECRET_KEY": secrets.token_urlsafe(48),
        "AFTERDECK_DATABASE_URL": endpoints.postgres_app_url,
        "AFTERDECK_VALKEY_URL": endpoints.valkey_url,
        "AFTERDECK_ALLOWED_HOSTS": "127.0.0.1,localhost,testserver",
        "AFTERDECK_BASE_URL": place.url,
        "AFTERDECK_CLUSTERS": json.dumps(
            {"sandbox": {"kubeconfig": str(endpoints.kubeconfig_portal), "simulated": True}}
        ),
        "AFTERDECK_SOAK_SECONDS": "0",
        "AFTERDECK_LOG_LEVEL": "WARNING",
        **place.environment(),
    }


def _run(environment: dict[str, str], *arguments: str, **more: str) -> None:
    subprocess.run([sys.executable, *arguments], cwd=HOUSE, env={**os.environ, **environment, **more}, check=True)


if __name__ == "__main__":
    main()
