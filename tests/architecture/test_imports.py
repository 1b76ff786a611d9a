"""Imports go down only: the contracts of pyproject.toml hold here, and break where they should."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.sources import PACKAGES, ROOT


def lint_imports(root: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


def test_imports_go_down_only():
    result = lint_imports(ROOT)
    assert result.returncode == 0, result.stdout + result.stderr


@pytest.mark.parametrize(
    ("module", "forbidden"),
    [
        ("connectors", "audit"),
        ("connectors", "django.db"),
        ("audit", "connectors"),
        ("approvals", "inventory"),
        ("approvals", "connectors"),
        ("inventory", "approvals"),
        ("inventory", "actions"),
        ("actions", "portal"),
        ("actions", "kubernetes.client"),
        ("portal", "hvac"),
        ("portal", "sandbox"),
    ],
)
def test_an_import_through_a_wall_is_found(tmp_path, module, forbidden):
    shutil.copyfile(ROOT / "pyproject.toml", tmp_path / "pyproject.toml")
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        (tmp_path / package / "__init__.py").touch()
    (tmp_path / module / "window.py").write_text(f"import {forbidden}\n")

    result = lint_imports(tmp_path)

    assert result.returncode == 1, result.stdout + result.stderr
    assert f"{module}.window -> {forbidden.partition('.')[0]}" in result.stdout
