"""Child processes that are ready before anyone uses them, and gone when we are.

Each has its own log file, a readiness probe with a deadline, and is ended by the kernel when the parent dies, however it dies.
Stopping is in reverse order of starting; one can be restarted by name, on the same port, as a crash test needs.
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")
UNPRIVILEGED_USER = "nobody"  # has a passwd entry everywhere; Postgres refuses a uid without one
INHERITED = ("PATH", "HOME", "USER", "TMPDIR", "TZ")

# A parent-death signal is sent when the *thread* that started the child ends, so one thread starts them all and never ends.
starter = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sandbox-starter")


class PartFailed(Exception):
    """A part of the sandbox did not start: which, why, where its log is, and what to do."""

    def __init__(self, part: str, why: str, *, log: Path | None = None, remedy: str) -> None:
        tail = log.read_text(errors="replace").splitlines()[-8:] if log and log.exists() else []
        lines = [
            f"{part}: {why}",
            *(f"    {line[:200]}" for line in tail),
            *([f"  Log: {log}"] if log else []),
            f"  {remedy}",
        ]
        super().__init__("\n".join(lines))


@dataclass(frozen=True)
class Part:
    """What is needed to start one process, and to know that it is ready."""

    name: str
    command: tuple[str, ...]
    directory: Path
    ready: Callable[[], bool] = lambda: True
    environment: Mapping[str, str] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGTERM  # what it gets when we die
    unprivileged: bool = False  # as `nobody` where we are root
    deadline: float = 120


class Process:
    """One running part."""

    def __init__(self, part: Part, log: Path, *, holds: tuple[int, ...]) -> None:
        self.part, self.log, self._holds = part, log, holds
        self._popen = self._spawn()

    def _spawn(self) -> subprocess.Popen[bytes]:
        part = self.part
        user = UNPRIVILEGED_USER if part.unprivileged and os.geteuid() == 0 else ""
        launch = (sys.executable, "-I", "-S", str(LAUNCH), str(os.getpid()), str(int(part.death_signal)), user)
        inherited = {name: os.environ[name] for name in INHERITED if name in os.environ}

        def start() -> subprocess.Popen[bytes]:
            with self.log.open("ab") as output:
                return subprocess.Popen(
                    [*launch, *part.command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd=part.directory,
                    env={**inherited, "LANG": "C.UTF-8", **part.environment},
                    pass_fds=self._holds,
                    start_new_session=True,  # Ctrl-C is for the parent, who stops the parts in order
                )

        return starter.submit(start).result()

    @property
    def pid(self) -> int:
        return self._popen.pid

    @property
    def running(self) -> bool:
        return self._popen.poll() is None

    @property
    def exit_status(self) -> int | None:
        return self._popen.poll()

    def wait_ready(self) -> None:
        end = time.monotonic() + self.part.deadline
        while not self.part.ready():
            if not self.running:
                why = f"ended with exit status {self.exit_status} before it was ready."
                raise PartFailed(
                    self.part.name, why, log=self.log, remedy="Read its log; `make demo-reset` starts afresh."
                )
            if time.monotonic() > end:
                why = f"not ready after {self.part.deadline:.0f} s."
                raise PartFailed(
                    self.part.name, why, log=self.log, remedy="Is the machine busy? Try again, or read its log."
                )
            time.sleep(0.02)

    def stop(self, *, patience: float = 10) -> None:
        if self.running:
            self._popen.send_signal(self.part.stop_signal)
        try:
            self._popen.wait(patience)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def kill(self) -> None:
        """End it as a crash would."""
        self._popen.kill()
        self._popen.wait()

    def restart(self) -> None:
        self.stop()
        self._popen = self._spawn()
        self.wait_ready()


class Processes(Mapping[str, Process]):
    """The running parts, by name, in the order in which they were started.

    They inherit the file descriptors that they `hold`: a lock on those is released when the last of them is gone.
    """

    def __init__(self, logs: Path, *, holds: tuple[int, ...] = ()) -> None:
        self._logs, self._holds = logs, holds
        self._processes: dict[str, Process] = {}
        self._stopping = False
        self._lock = threading.Lock()

    def __getitem__(self, name: str) -> Process:
        return self._processes[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._processes)

    def __len__(self) -> int:
        return len(self._processes)

    def start(self, part: Part) -> Process:
        process = self._spawn(part)
        process.wait_ready()
        return process

    def run(self, part: Part, *, remedy: str, watch: Callable[[Path], None] = lambda _: None) -> Path:
        """Run a part that ends by itself, while `watch` looks at its log; stopping stops it too. Returns the log of this run."""
        log = self._logs / f"{part.name}.log"
        log.unlink(missing_ok=True)
        process = self._spawn(part)
        while process.running:
            time.sleep(0.05)
            watch(log)
        del self._processes[part.name]
        if process.exit_status != 0:
            raise PartFailed(part.name, f"failed with exit status {process.exit_status}.", log=log, remedy=remedy)
        return log

    def _spawn(self, part: Part) -> Process:
        self._logs.mkdir(parents=True, exist_ok=True)
        with self._lock:
            if self._stopping:
                raise PartFailed(part.name, "not started, because the sandbox is stopping.", remedy="Start it again.")
            process = Process(part, self._logs / f"{part.name}.log", holds=self._holds)
            self._processes[part.name] = process
        return process

    def restart(self, name: str) -> None:
        """Bring the same part back with the same command, whether it was killed or still runs."""
        self._processes[name].restart()

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            processes = list(self._processes.values())
        for process in reversed(processes):
            process.stop()
