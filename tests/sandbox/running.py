"""A sandbox of a test's own, started as a person starts it, for the tests that stop or kill it."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import tests
from tests.cluster import eventually

HOUSE = Path(tests.__file__).parent.parent


class Running:
    """`python -m sandbox up` in a process of its own."""

    def __init__(self, root: Path) -> None:
        self._log = root.with_name(f"{root.name}.log")
        self._endpoints = root / "endpoints.json"
        self._endpoints.unlink(missing_ok=True)
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sandbox", "up"],
                cwd=HOUSE,
                env={**os.environ, "AFTERDECK_DEMO_DIR": str(root)},
                stdout=log,
                stderr=log,
            )
        eventually(lambda: self._endpoints.exists() or self._process.poll() is not None, seconds=120)
        assert self._endpoints.exists(), self._log.read_text()
        self.endpoints: dict[str, Any] = json.loads(self._endpoints.read_text())

    def descendants(self) -> list[int]:
        found, todo = [], [self._process.pid]
        while todo:
            children = [
                int(pid)
                for task in Path(f"/proc/{todo.pop()}/task").glob("*/children")
                for pid in task.read_text().split()
            ]
            found += children
            todo += children
        return found

    def interrupt(self) -> None:
        self._process.send_signal(signal.SIGINT)
        assert self._process.wait(60) == 0, self._log.read_text()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


def alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
