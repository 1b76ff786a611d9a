"""Kills and freezes the sandbox's servers, and remembers which."""

import os
import signal
from concurrent.futures import ThreadPoolExecutor

from django.db import connections

from sandbox.processes import Processes

# They would find the API server again by themselves, but try ever more seldom: up to a minute later.
DEPENDENT = ("kube-controller-manager", "kube-scheduler", "kwok")


class Servers:
    def __init__(self, processes: Processes) -> None:
        self._processes = processes
        self._dead: set[str] = set()
        self._frozen: set[str] = set()

    def kill(self, name: str) -> None:
        os.kill(self._processes[name].pid, signal.SIGKILL)
        self._processes[name].stop()  # reaps it
        self._dead.add(name)

    def bring_back(self, name: str) -> None:
        """On the same port, with the data it has on disk."""
        self._processes.restart(name)
        if name == "kube-apiserver":
            with ThreadPoolExecutor() as pool:
                list(pool.map(self._processes.restart, DEPENDENT))
        self._dead.discard(name)
        if name == "postgres":
            connections.close_all()  # ours ended with the old one

    def freeze(self, name: str) -> None:
        """It accepts connections, in the kernel, and says nothing."""
        os.kill(self._processes[name].pid, signal.SIGSTOP)
        self._frozen.add(name)

    def thaw(self, name: str) -> None:
        os.kill(self._processes[name].pid, signal.SIGCONT)
        self._frozen.discard(name)

    def mend(self) -> None:
        for name in list(self._frozen):
            self.thaw(name)
        for name in list(self._dead):
            self.bring_back(name)
