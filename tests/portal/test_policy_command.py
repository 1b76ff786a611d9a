"""A merge request that changes a policy is checked on a machine where nothing else of the product is."""

import subprocess
import sys
from pathlib import Path

import pytest

HOUSE = Path(__file__).parents[2]
SHIPPED = HOUSE / "approvals" / "policies"


def policy(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "policy", *arguments]
    return subprocess.run(
        command, cwd=HOUSE, env={"PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("doing", ["check", "test"])
def test_a_policy_is_checked_and_tried_without_settings_and_without_a_database(doing: str) -> None:
    done = policy(doing, SHIPPED)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"check": "They can be read.", "test": " tests pass."}[doing] in done.stdout


def test_a_directory_that_is_not_there_is_not_one_without_rules(tmp_path: Path) -> None:
    assert "there is no such directory" in policy("check", tmp_path / "policies").stderr
    assert "no rules" in policy("check", tmp_path).stderr
