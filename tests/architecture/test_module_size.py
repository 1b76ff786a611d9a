"""A module that nobody can hold in their head gets split."""

from pathlib import Path

from tests.architecture.sources import PACKAGES, ROOT, modules

MOST_LINES = 400


def too_long(*folders: str, root: Path = ROOT) -> list[str]:
    lengths = {path: len((root / path).read_text().splitlines()) for path in modules(*folders, root=root)}
    return [f"{path}: {lines} lines, at most {MOST_LINES}" for path, lines in lengths.items() if lines > MOST_LINES]


def test_no_module_is_longer_than_a_person_can_read():
    assert too_long(*PACKAGES) == []


def test_a_long_module_is_found(tmp_path):
    (tmp_path / "actions").mkdir()
    (tmp_path / "actions" / "fits.py").write_text("pass\n" * MOST_LINES)
    (tmp_path / "actions" / "novel.py").write_text("pass\n" * (MOST_LINES + 1))

    assert too_long("actions", root=tmp_path) == ["actions/novel.py: 401 lines, at most 400"]
