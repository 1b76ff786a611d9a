"""Our own Python modules: what the architecture tests look at."""

from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("portal", "actions", "approvals", "inventory", "connectors", "audit", "sandbox")
BESIDE = ("tests", "benchmarks")


def modules(*folders: str, root: Path = ROOT) -> Iterator[Path]:
    """Every module below these folders, relative to the root. Migrations are Django's prose, not ours."""
    for folder in folders:
        for path in sorted((root / folder).rglob("*.py")):
            if "migrations" not in path.parts and "node_modules" not in path.parts:
                yield path.relative_to(root)
