"""Time, where a test is not about it: nothing has to stay good for a while, and nobody waits before looking again."""

from datetime import timedelta

import pytest
from pytest_django.fixtures import Settings

from actions import execution


@pytest.fixture
def no_soak(settings: Settings) -> None:
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 0})


@pytest.fixture
def in_a_hurry(no_soak: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "RETRY", timedelta(milliseconds=100))
