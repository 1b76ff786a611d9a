"""Builds the sandbox's own Go programs from source, once per user and version of their sources.

Each is more than 100 MB and a pure function of a few files, so it lives in the user's cache under their hash, never in the
repository. Whoever comes second while one is being built waits for it; a build that dies leaves nothing behind that looks finished.
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
from dataclasses import dataclass
from pathlib import Path

from sandbox.processes import Part, Processes
from sandbox.wheels import program as program_of_wheel

HERE = Path(__file__).parent
SOURCE_FILES = ("main.go", "go.mod", "go.sum")
OLDEST_GO = (1, 26)
SAY_EVERY = 10.0  # seconds
NEEDS = "It needs the Go module proxy (GOPROXY), 5 GB of disk and 2.5 GB of memory. Put that right and start again."

Say = Callable[[str], None]


@dataclass(frozen=True)
class Program:
    """One of ours: a directory with a Go module, and what comes out of it."""

    name: str
    module: str  # what it is made of, by which it is known to people
    title: str
    sources: Path
    stamp: str = ""  # the package that keeps its version, of a program that tells it
    extras: tuple[str, ...] = ()  # files of the module that are kept beside the program
    background: bool = False  # nobody waits for it, so it yields to whatever else there is to do

    @property
    def version(self) -> str:
        """As its go.mod has it."""
        found = re.search(rf"{re.escape(self.module)} v(\S+)", (self.sources / "go.mod").read_text())
        return found[1] if found else "from these sources"

    @property
    def linker_flags(self) -> str:
        if not self.stamp:
            return "-s -w"
        major, minor, _ = self.version.split(".")
        versions = {"gitVersion": f"v{self.version}", "gitMajor": major, "gitMinor": minor}
        return " ".join(["-s -w", *(f"-X {self.stamp}.{name}={value}" for name, value in versions.items())])

    @property
    def home(self) -> Path:
        """Where it is in the cache, built or not."""
        recipe = hashlib.sha256(self.linker_flags.encode())
        for name in SOURCE_FILES:
            recipe.update((self.sources / name).read_bytes())
        return cache() / f"{self.name}-{recipe.hexdigest()[:16]}"


CLUSTER = Program(
    name="cluster",
    module="k8s.io/kubernetes",
    title="Kubernetes",
    sources=HERE / "cluster",
    stamp="k8s.io/component-base/version",
)
_CRDS = "config/crds/bases/external-secrets.io"
OPERATOR = Program(
    name="operator",
    module="github.com/external-secrets/external-secrets",
    title="the External Secrets Operator",
    sources=HERE / "operator",
    extras=(f"{_CRDS}_secretstores.yaml", f"{_CRDS}_clustersecretstores.yaml", f"{_CRDS}_externalsecrets.yaml"),
    background=True,
)


def built(program: Program, processes: Processes, say: Say) -> Path:
    """The built program; takes minutes the first time, nothing after that. Its extras lie beside it, by their file names."""
    home = program.home
    finished = home / program.name
    if finished.exists():
        return finished
    home.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(home / "lock", program, say):
        if not finished.exists():
            _build(program, finished, processes, say)
    return finished


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "afterdeck"


@contextmanager
def _one_at_a_time(lock: Path, program: Program, say: Say) -> Iterator[None]:
    with lock.open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say(f"Waiting for another build of {program.title} to finish")
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def _build(program: Program, finished: Path, processes: Processes, say: Say) -> None:
    go = _go()
    title = f"{program.title} {program.version}"
    fetching = f"Fetching the source of {title}, {{}} modules, once"
    listed = _run(program, processes, "go-list", [go, "list", "-deps", "."], say, fetching, counts="go: downloading ")
    total = sum(not line.startswith("go: ") for line in listed)
    building = f"Building {title} from source, {{}} of {total} packages, once"
    draft = finished.with_name(f"{finished.name}.new")
    command = [go, "build", "-v", "-trimpath", f"-ldflags={program.linker_flags}", "-o", str(draft), "."]
    _run(program, processes, "go-build", command, say, building, counts="")
    if program.extras:
        asked = [go, "list", "-m", "-f", "{{.Dir}}", program.module]
        [source] = _run(program, processes, "go-list", asked, say, fetching, counts="go: downloading ")
        for extra in program.extras:
            shutil.copyfile(Path(source, extra), finished.with_name(Path(extra).name))
    draft.replace(finished)


def _run(
    program: Program, processes: Processes, name: str, command: list[str], say: Say, progress: str, *, counts: str
) -> list[str]:
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

    nice = shutil.which("nice") if program.background else None
    polite = [nice, "-n", "15"] if nice else []
    part = Part(f"{name}-{program.name}", (*polite, *command), directory=program.sources, environment=environment)
    return processes.run(part, remedy=NEEDS, watch=watch).read_text().splitlines()


def _go() -> str:
    """A Go that is new enough: from the PATH, from its usual place, or else from the wheel."""
    for candidate in (shutil.which("go"), "/usr/local/go/bin/go"):
        if candidate and Path(candidate).exists() and _go_version(candidate) >= OLDEST_GO:
            return candidate
    return str(program_of_wheel("go", "bin/go"))


def _go_version(go: str) -> tuple[int, ...]:
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run([go, "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)
