"""Builds the cluster's one program from source, once per user and version of its sources.

It is 130 MB and a pure function of three files, so it lives in the user's cache under their hash, never in the repository. Whoever
comes second while it is being built waits for it; a build that dies leaves nothing behind that looks finished.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.processes import Part, Processes
from sandbox.wheels import program

SOURCES = Path(__file__).parent / "cluster"
SOURCE_FILES = ("main.go", "go.mod", "go.sum")
OLDEST_GO = (1, 26)
SAY_EVERY = 10.0  # seconds
NEEDS = "It needs the Go module proxy (GOPROXY), 5 GB of disk and 2.5 GB of memory. Put that right and start again."

GO_MOD = (SOURCES / "go.mod").read_text()
VERSION = re.search(r"k8s\.io/kubernetes v(\S+)", GO_MOD)[1]  # type: ignore[index]  # go.mod without it would not build
MAJOR, MINOR, _ = VERSION.split(".")
STAMP = "k8s.io/component-base/version"
LINKER_FLAGS = f"-s -w -X {STAMP}.gitVersion=v{VERSION} -X {STAMP}.gitMajor={MAJOR} -X {STAMP}.gitMinor={MINOR}"

Say = Callable[[str], None]


def cluster_program(processes: Processes, say: Say) -> Path:
    """The built program; takes minutes the first time, nothing after that."""
    recipe = hashlib.sha256(LINKER_FLAGS.encode())
    for name in SOURCE_FILES:
        recipe.update((SOURCES / name).read_bytes())
    home = cache() / f"cluster-{recipe.hexdigest()[:16]}"
    finished = home / "cluster"
    if finished.exists():
        return finished
    home.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(home / "lock", say):
        if not finished.exists():
            _build(finished, processes, say)
    return finished


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "afterdeck"


@contextmanager
def _one_at_a_time(lock: Path, say: Say) -> Iterator[None]:
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another build of Kubernetes to finish")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _build(finished: Path, processes: Processes, say: Say) -> None:
    go = _go()
    fetching = f"Fetching the source of Kubernetes {VERSION}, {{}} modules, once"
    listed = _run(processes, "go-list", [go, "list", "-deps", "."], say, fetching, counts="go: downloading ")
    total = sum(not line.startswith("go: ") for line in listed)
    building = f"Building Kubernetes {VERSION} from source, {{}} of {total} packages, once"
    draft = finished.with_name("cluster.new")
    command = [go, "build", "-v", "-trimpath", f"-ldflags={LINKER_FLAGS}", "-o", str(draft), "."]
    _run(processes, "go-build", command, say, building, counts="")
    draft.replace(finished)


def _run(processes: Processes, name: str, command: list[str], say: Say, progress: str, *, counts: str) -> list[str]:
    """Run Go, say how far it is by the number of lines in its log that begin with `counts`, and return all of them."""
    environment = {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
    }
    said = 0.0

    def watch(log: Path) -> None:
        nonlocal said
        if time.monotonic() - said > SAY_EVERY:
            said = time.monotonic()
            say(progress.format(sum(line.startswith(counts) for line in log.read_text().splitlines())))

    part = Part(name, tuple(command), directory=SOURCES, environment=environment)
    return processes.run(part, remedy=NEEDS, watch=watch).read_text().splitlines()


def _go() -> str:
    """A Go that is new enough: from the PATH, from its usual place, or else from the wheel."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and Path(candidate).exists() and _go_version(candidate) >= OLDEST_GO:
            return candidate
    return str(program("go", "bin/go"))


def _go_version(go: str) -> tuple[int, ...]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run([go, "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)
