"""The demo as a stranger starts it: one command, its printed address and logins, and Ctrl-C at the end."""

import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

HOUSE = Path(__file__).parents[2]
START_WITHIN = 480.0  # seconds; the promise of the first start, with the cluster's build


@dataclass(frozen=True)
class Demo:
    url: str
    password: str
    kubeconfig: Path
    directory: Path

    def kubectl(self, *arguments: str) -> str:
        kubectl = Path(sys.executable).with_name("kubectl")
        done = subprocess.run(
            [kubectl, f"--kubeconfig={self.kubeconfig}", *arguments], capture_output=True, text=True, check=True
        )
        return done.stdout


@contextmanager
def running() -> Iterator[Demo]:
    """Start `python -m sandbox demo` in an empty directory and stop it as a person does."""
    with tempfile.TemporaryDirectory(prefix="afterdeck-demo-") as directory:
        kept = {
            k: v
            for k, v in os.environ.items()
            if not k.startswith("AFTERDECK_") and k not in ("KUBECONFIG", "VAULT_ADDR")
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "demo"],
            env=kept | {"AFTERDECK_DEMO_DIR": directory},
            cwd=HOUSE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        said: list[str] = []
        threading.Thread(target=lambda: said.extend(process.stdout or ()), daemon=True).start()
        try:
            yield _welcome(process, said, Path(directory))
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


def _welcome(process: subprocess.Popen[str], said: list[str], directory: Path) -> Demo:
    deadline = time.monotonic() + START_WITHIN
    while "Ctrl-C stops everything" not in (text := "".join(said)):
        assert process.poll() is None, f"The demo ended:\n{text}"
        assert time.monotonic() < deadline, f"The demo did not start:\n{text}"
        time.sleep(0.1)
    found = {
        name: re.search(pattern, text)
        for name, pattern in {
            "url": r"Afterdeck runs at (\S+)", "password": r"with the password (\S+)", "kubeconfig": r"--kubeconfig (\S+)",
        }.items()
    }  # fmt: skip
    values = {name: match[1] for name, match in found.items() if match}
    return Demo(values["url"], values["password"], Path(values["kubeconfig"]), directory)
