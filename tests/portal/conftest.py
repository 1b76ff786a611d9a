"""Pages without `collectstatic`: in a test an asset's address is its plain one."""

import pytest
from pytest_django import Settings


@pytest.fixture(autouse=True)
def plain_assets(settings: Settings) -> None:
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
