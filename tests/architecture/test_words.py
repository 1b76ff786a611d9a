"""A module is named after a thing, and only connectors know the vendors' words."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.sources import BESIDE, PACKAGES, ROOT, modules

NAMES_NOTHING = re.compile(r"utils?|helpers?|common|mixins?|managers?")
VENDORS = {"kubernetes", "hvac", "slack_sdk", "standardwebhooks"}
MAY_NOT_KNOW_VENDORS = ("portal", "actions", "approvals", "inventory", "audit")


def named_nothing(*folders: str, root: Path = ROOT) -> list[str]:
    def names(path: Path) -> list[str]:
        return [*path.parent.parts, path.stem]

    return [str(path) for path in modules(*folders, root=root) if any(map(NAMES_NOTHING.fullmatch, names(path)))]


def vendor_imports(*folders: str, root: Path = ROOT) -> list[str]:
    """Also those that import-linter does not count, under TYPE_CHECKING."""
    return [
        f"{path}: {name}"
        for path in modules(*folders, root=root)
        for name in imported(ast.parse((root / path).read_text()))
        if name.partition(".")[0] in VENDORS
    ]


def imported(tree: ast.AST) -> list[str]:
    names = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.append(node.module)
    return names


def test_a_module_is_named_after_a_thing():
    assert named_nothing(*PACKAGES, *BESIDE) == []


@pytest.mark.parametrize(
    "path", ["actions/utils.py", "audit/common/rows.py", "portal/web/mixins.py", "audit/manager.py"]
)
def test_a_name_for_nothing_is_found(tmp_path, path):
    for name in (path, "actions/commons.py", "portal/management/commands/setup_database.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()

    assert named_nothing("actions", "audit", "portal", root=tmp_path) == [path]


def test_only_connectors_know_the_vendors_words():
    assert vendor_imports(*MAY_NOT_KNOW_VENDORS) == []


@pytest.mark.parametrize(
    "line", ["import kubernetes", "from kubernetes.client import ApiException", "import hvac as v"]
)
def test_a_vendor_above_the_connectors_is_found(tmp_path, line):
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "leak.py").write_text(f"if False:\n    {line}\n")
    (tmp_path / "actions" / "fine.py").write_text("from connectors.kubernetes import KubernetesCluster\n")

    assert [found.partition(":")[0] for found in vendor_imports("actions", root=tmp_path)] == ["actions/leak.py"]
