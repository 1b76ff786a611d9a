"""Where the measured portal is, handed from the process that starts it to those that measure."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from sandbox.stack import Endpoints

VARIABLE = "AFTERDECK_BENCHMARK"


@dataclass(frozen=True)
class Place:
    url: str
    endpoints: Endpoints

    @property
    def database(self) -> str:
        """As superuser, who may ask for the times of commits."""
        name = urlsplit(self.endpoints.postgres_app_url).path
        return urlunsplit(urlsplit(self.endpoints.postgres_superuser_url)._replace(path=name))

    def environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(asdict(self), default=str)}

    @classmethod
    def here(cls) -> "Place":
        known = json.loads(os.environ[VARIABLE])
        kinds = Endpoints.__annotations__
        values: dict[str, Any] = {
            name: Path(value) if kinds[name] is Path else value for name, value in known["endpoints"].items()
        }
        return cls(known["url"], Endpoints(**values))
