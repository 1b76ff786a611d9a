"""How long pages take, against the barest answer the same server gives, and against a signed-in page that shows hardly anything."""

import time
from collections.abc import Callable

import urllib3
from django.conf import settings
from django.test import Client

from benchmarks.arms import Arm
from benchmarks.place import Place
from inventory.models import Person


class Pages:
    """Over HTTP, on one connection kept open, as a browser does."""

    def __init__(self, place: Place) -> None:
        self._web = urllib3.connection_from_url(place.url, maxsize=1, retries=False)

    def page(self, name: str, path: str, person: Person | None = None) -> Arm:
        headers = {"Cookie": _session(person)} if person else {}
        return self._arm(name, path, headers)

    def _arm(self, name: str, path: str, headers: dict[str, str]) -> Callable[[], dict[str, float]]:
        def once() -> dict[str, float]:
            began = time.perf_counter()
            answer = self._web.request("GET", path, headers=headers, redirect=False)
            took = time.perf_counter() - began
            assert answer.status == 200, f"{path}: {answer.status}"
            return {name: took}

        return once


def _session(person: Person) -> str:
    client = Client()
    client.force_login(person, backend="django.contrib.auth.backends.ModelBackend")
    return f"{settings.SESSION_COOKIE_NAME}={client.cookies[settings.SESSION_COOKIE_NAME].value}"
