"""A wrong setting ends the process with a sentence that names it, before anything is served."""

import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import psycopg
import pytest
from django.db.backends.base.base import BaseDatabaseWrapper

from approvals.models import PolicyVersion
from portal.database import problems
from tests import environment

HOUSE = Path(__file__).parents[2]
START = "import portal.asgi"


def start(**wrong: str) -> subprocess.CompletedProcess[str]:
    settings = {**environment.variables(), "DJANGO_SETTINGS_MODULE": "portal.settings", **wrong}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AFTERDECK_")}
    return subprocess.run(
        [sys.executable, "-c", START], env=kept | settings, cwd=HOUSE, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        ("AFTERDECK_SECRET_KEY", "short", "AFTERDECK_SECRET_KEY: Value should have at least 32 items"),
        ("AFTERDECK_SECRET_KEY", "a" * 60, "The secret key is too uniform"),
        ("AFTERDECK_DATABASE_URL", "sqlite:///db", "AFTERDECK_DATABASE_URL: URL scheme should be"),
        ("AFTERDECK_VALKEY_URL", "localhost", "AFTERDECK_VALKEY_URL: Input should be a valid URL"),
        ("AFTERDECK_CLUSTERS", '{"prod": {}}', "AFTERDECK_CLUSTERS (prod.kubeconfig): Field required"),
        ("AFTERDECK_LOG_LEVEL", "LOUD", "AFTERDECK_LOG_LEVEL: Value error, use DEBUG, INFO"),
        ("AFTERDECK_SOAK_SECONDS", "-1", "AFTERDECK_SOAK_SECONDS: Input should be greater than or equal to 0"),
    ],
)
def test_a_wrong_setting_is_named(django_db_setup: None, setting: str, value: str, said: str) -> None:
    done = start(**{setting: value})
    assert done.returncode == 1
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_wrong_does_not_quote_the_value(django_db_setup: None) -> None:
    done = start(AFTERDECK_DATABASE_URL="mysql://afterdeck:hunter2hunter2@db/afterdeck")
    assert "hunter2" not in done.stderr


def test_the_portal_refuses_a_role_that_could_rewrite_the_record(django_db_setup: None) -> None:
    done = start(AFTERDECK_DATABASE_URL=environment.url_of(environment.endpoints.postgres_owner_url))
    assert done.returncode == 1
    assert "could rewrite the audit record" in done.stderr


@pytest.mark.parametrize(
    ("grant", "sound"),
    [
        ("GRANT SELECT, INSERT (verb, summary) ON audit_event TO almost_sound", True),
        ("GRANT UPDATE (summary) ON audit_event TO almost_sound", False),
        ("GRANT INSERT (at) ON audit_event TO almost_sound", False),
        ("GRANT INSERT (id) ON audit_event TO almost_sound", False),
        ("GRANT INSERT (txid) ON audit_event TO almost_sound", False),
        ("GRANT afterdeck_owner TO almost_sound WITH INHERIT FALSE", False),
    ],
)
def test_a_small_right_too_many_is_found(django_db_setup: None, grant: str, sound: bool) -> None:
    url = environment.url_of(environment.endpoints.postgres_superuser_url)
    with (
        psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection,
        connection.transaction(force_rollback=True),
    ):
        connection.execute("CREATE ROLE almost_sound NOINHERIT")
        connection.execute(grant.encode())
        connection.execute("SET LOCAL ROLE almost_sound")
        assert (problems(cast(BaseDatabaseWrapper, connection)) == []) is sound


def test_the_portal_refuses_a_policy_that_does_not_load(django_db_setup: None, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text("- {id: x, when: environment.critical > 1, allow: true, because: b}\n")
    done = start(AFTERDECK_POLICY_DIR=str(tmp_path))
    assert done.returncode == 1
    assert "broken.yaml:1: rule x: there is no fact environment.critical" in done.stderr


def test_a_sound_installation_starts(django_db_setup: None) -> None:
    assert start().returncode == 0


def test_a_start_remembers_the_policy(database: None) -> None:
    assert start().returncode == 0
    assert [version.state for version in PolicyVersion.objects.all()] == ["adopted"]
