"""`python -m sandbox demo | up | build | reset`: the demo, only its servers, only building its cluster, and forgetting it.

Stops everything it started on Ctrl-C; if it is killed instead, the kernel does.
"""

import argparse
import json
import os
import shutil
import signal
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path

from sandbox.building import CLUSTER, built
from sandbox.demo import run
from sandbox.processes import PartFailed, Processes
from sandbox.stack import Endpoints, Stack
from sandbox.state import State, write_private

STARTED = time.monotonic()


def say(line: str) -> None:
    print(f"[{time.monotonic() - STARTED:5.1f} s] {line}\n", end="", flush=True)  # one write, for several threads speak


def directory() -> Path:
    """Where the demo keeps everything it has."""
    return Path(os.environ.get("AFTERDECK_DEMO_DIR") or Path.home() / ".local" / "share" / "afterdeck" / "demo")


def write_endpoints(root: Path, endpoints: Endpoints) -> Path:
    path = root / "endpoints.json"
    write_private(path, json.dumps(asdict(endpoints), indent=2, default=str))
    return path


def demo(root: Path) -> None:
    run(root, say=say)


def up(root: Path) -> None:
    stack = Stack(root, say=say)
    try:
        path = write_endpoints(root, stack.start())
        stack.synchronise_in_background()
        say(f"Everything runs. Its endpoints are in {path}; Ctrl-C stops it.")
        threading.Event().wait()
    finally:
        stack.stop()


def build(root: Path) -> None:
    """Ahead of time, where waiting for it is planned: in CI, or while making an image."""
    state = State(root.resolve())
    try:
        say(f"Kubernetes is at {built(CLUSTER, Processes(state.directory('logs')), say)}")
    finally:
        state.release()


def reset(root: Path) -> None:
    if root.exists():
        State(root).release()  # refuses while it is running
        shutil.rmtree(root)
    say(f"Forgot {root}")


COMMANDS = {"demo": demo, "up": up, "build": build, "reset": reset}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    for signalled in (signal.SIGINT, signal.SIGTERM):  # a shell starts background jobs with SIGINT ignored
        signal.signal(signalled, signal.default_int_handler)
    try:
        COMMANDS[parser.parse_args().command](directory())
    except PartFailed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        say("Stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
