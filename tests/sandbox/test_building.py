"""The sandbox's programs are built once, and a build that fails leaves no program behind."""

from pathlib import Path

import pytest

from sandbox import building
from sandbox.building import Program
from sandbox.processes import PartFailed, Processes

GOOD = 'package main\n\nimport "fmt"\n\nfunc main() { fmt.Println("built") }\n'


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """A program that takes a moment to build instead of minutes, and an empty cache for what comes out."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    sources = tmp_path / "sources"
    sources.mkdir()
    (sources / "main.go").write_text(GOOD)
    (sources / "go.mod").write_text("module example.com/program\n\ngo 1.26\n")
    (sources / "go.sum").write_text("")
    return Program("greeter", "example.com/program", "a greeter", sources)


@pytest.fixture
def processes(tmp_path: Path) -> Processes:
    return Processes(tmp_path / "logs")


def test_the_same_sources_are_built_once(program: Program, processes: Processes) -> None:
    first = building.built(program, processes, print)
    built_at = first.stat().st_mtime_ns
    assert building.built(program, processes, print) == first
    assert first.stat().st_mtime_ns == built_at


def test_other_sources_are_another_program(program: Program, processes: Processes) -> None:
    first = building.built(program, processes, print)
    (program.sources / "main.go").write_text(GOOD.replace("built", "built otherwise"))
    assert building.built(program, processes, print) != first


def test_a_failed_build_says_where_its_log_is_and_can_be_repeated(program: Program, processes: Processes) -> None:
    (program.sources / "main.go").write_text(GOOD.replace("fmt.Println", "fmt.Printn"))
    for _ in range(2):
        with pytest.raises(PartFailed, match="go-build") as failure:
            building.built(program, processes, print)
        assert "undefined: fmt.Printn" in str(failure.value)
        assert "go-build-greeter.log" in str(failure.value)
    assert not list(building.cache().glob("*/greeter"))
