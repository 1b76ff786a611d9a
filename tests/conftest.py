"""The one real stack that every suite runs on."""

from collections.abc import Iterator

import pytest

from sandbox.stack import Stack


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Postgres, Valkey, OpenBao and Kubernetes, started once. Tests keep apart by namespace and by database."""
    running = Stack(tmp_path_factory.mktemp("stack"), say=print)
    running.start()
    try:
        yield running
    finally:
        running.stop()
