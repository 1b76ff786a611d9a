"""Where the wheels that carry a server keep its program.

Found without importing them: their Python code is for people who want to be managed, and does things at import.
"""

from importlib.util import find_spec
from pathlib import Path

from sandbox.processes import PartFailed


def program(package: str, pattern: str) -> Path:
    """The file that `pattern` names inside an installed package."""
    spec = find_spec(package)
    for location in (spec and spec.submodule_search_locations) or []:
        for found in Path(location).glob(pattern):
            return found
    raise PartFailed(
        pattern.rsplit("/", 1)[-1],
        f"the package {package} is not installed for this machine.",
        remedy="Run `make setup`.",
    )
