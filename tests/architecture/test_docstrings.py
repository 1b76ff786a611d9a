"""Each module says why it exists."""

import ast
from pathlib import Path

from tests.architecture.sources import BESIDE, PACKAGES, ROOT, modules


def silent(*folders: str, root: Path = ROOT) -> list[str]:
    sources = {path: (root / path).read_text() for path in modules(*folders, root=root)}
    # An empty __init__.py only marks a folder as a package.
    return [
        str(path) for path, source in sources.items() if source.strip() and not ast.get_docstring(ast.parse(source))
    ]


def test_each_module_says_why_it_exists():
    assert silent(*PACKAGES, *BESIDE) == []


def test_a_silent_module_is_found(tmp_path):
    (tmp_path / "audit").mkdir()
    (tmp_path / "audit" / "__init__.py").touch()
    (tmp_path / "audit" / "events.py").write_text('"""Says why."""\n')
    (tmp_path / "audit" / "secret.py").write_text("# Not a docstring.\nanswer = 42\n")

    assert silent("audit", root=tmp_path) == ["audit/secret.py"]
