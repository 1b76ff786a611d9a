"""What receives our messages, on loopback: a mail server, a web server that takes webhooks, and one that answers as Slack's API does.

They are not ours and not available, so these stand in for them, over real sockets.
"""

import json
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class MailServer(socketserver.ThreadingTCPServer):
    """Takes mail; `refusing` is what it answers to a recipient instead. While `going` is clear, it
    says nothing to whoever has `asked` it to take one.
    """

    daemon_threads = allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Smtp)
        self.messages: list[EmailMessage] = []
        self.refusing = ""
        self.going, self.asked = threading.Event(), threading.Event()
        self.going.set()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Smtp(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self._say("220 sink")
        while line := self.rfile.readline():
            word = line.split()[0].upper().decode() if line.split() else ""
            if word == "QUIT":
                return self._say("221 bye")
            if word == "RCPT" and self.server.refusing:
                self._say(self.server.refusing)
            elif word == "DATA":
                self.server.asked.set()
                if not self.server.going.wait(0):
                    self.server.going.wait(60)
                    return None
                self._say("354 go on")
                body = b"".join(iter(self._data, b".\r\n"))
                self.server.messages.append(message_from_bytes(body, policy=policy.default))
                self._say("250 taken")
            else:
                self._say("250 yes")
        return None

    def _data(self) -> bytes:
        return self.rfile.readline()

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@dataclass(frozen=True)
class Call:
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.body)
        return found


@dataclass
class Answer:
    status: int = 200
    body: dict[str, Any] = field(default_factory=lambda: {"ok": True})
    headers: dict[str, str] = field(default_factory=dict)


class WebServer(ThreadingHTTPServer):
    """Remembers what was posted to it and gives the answers it was told to, the last one for ever."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Web)
        self.calls: list[Call] = []
        self.answers: dict[str, Answer] = {}

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


class _Web(BaseHTTPRequestHandler):
    server: WebServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.calls.append(Call(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
        answer = self.server.answers.get(self.path, Answer())
        said = json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(said))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_POST

    def log_message(self, format: str, *args: object) -> None:
        """Nobody reads it."""


@contextmanager
def serving(server: socketserver.TCPServer) -> Iterator[None]:
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield
    server.shutdown()
    server.server_close()


class SilentServer:
    """Lets everybody in and says nothing, until it is closed."""

    def __init__(self) -> None:
        self._door = socket.create_server(("127.0.0.1", 0))

    @property
    def port(self) -> int:
        return int(self._door.getsockname()[1])

    def close(self) -> None:
        self._door.close()
