"""What a sandbox remembers between two starts: its ports and its passwords, so that URLs and data keep fitting together.

One directory holds everything a sandbox has; removing it forgets the sandbox.
"""

import fcntl
import json
import os
import secrets
import socket
import threading
import time
from pathlib import Path
from typing import IO

from sandbox.processes import PartFailed

LEFTOVERS_END_WITHIN = 15.0  # seconds


class State:
    """The state directory of one sandbox, held by one process at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._file = root / "state.json"
        self._lock = threading.Lock()
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held = _hold(root / "lock")
        self._known: dict[str, dict[str, int | str]] = {"ports": {}, "secrets": {}}
        if self._file.exists():
            self._known.update(json.loads(self._file.read_text()))
        self._given: set[int] = set()

    @property
    def held(self) -> int:
        """The file descriptor that keeps others out. Who inherits it keeps them out, too."""
        return self._held.fileno()

    def directory(self, *names: str) -> Path:
        path = self.root.joinpath(*names)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def port(self, name: str) -> int:
        """The port that `name` had last time, or another one if somebody else took it meanwhile."""
        with self._lock:
            port = int(self._known["ports"].get(name, 0))
            if port in self._given or not _free(port):
                port = 0
            while not port or port in self._given:
                port = _any_free_port()
            self._given.add(port)
            self._remember("ports", name, port)
            return port

    def secret(self, name: str, size: int = 24) -> str:
        with self._lock:
            if name not in self._known["secrets"]:
                self._remember("secrets", name, secrets.token_hex(size))
            return str(self._known["secrets"][name])

    def _remember(self, kind: str, name: str, value: int | str) -> None:
        self._known[kind][name] = value
        write_private(self._file, json.dumps(self._known, indent=2))

    def release(self) -> None:
        self._held.close()


def write_private(path: Path, text: str) -> None:
    """Write a file that only we can read, whole or not at all."""
    draft = path.with_name(f".{path.name}.new")
    draft.touch(mode=0o600)
    draft.write_text(text)
    draft.replace(path)


def _hold(lock: Path) -> IO[str]:
    """Lock the directory. The servers of a killed sandbox need a moment to end, and hold the lock until then."""
    held = lock.open("a+")
    end = time.monotonic() + LEFTOVERS_END_WITHIN
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            held.seek(0)
            holder = held.read()
            if Path("/proc", holder or "-").exists() or time.monotonic() > end:
                raise PartFailed(
                    "sandbox",
                    f"another one is running in {lock.parent}, as process {holder}.",
                    remedy="Stop it, or set AFTERDECK_DEMO_DIR to another directory.",
                ) from None
            time.sleep(0.05)
        else:
            held.truncate(0)
            held.write(str(os.getpid()))
            held.flush()
            return held


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _any_free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
