"""The npm packages that the browser tests need, installed once into the user's cache, by the hash of their lock."""

import hashlib
import os
import tempfile
from pathlib import Path

from portal.frontend import npm

HERE = Path(__file__).parent


def cache() -> Path:
    """Where this lock file's packages are, or will be."""
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return root / "afterdeck" / "browser" / hashlib.sha256((HERE / "package-lock.json").read_bytes()).hexdigest()[:16]


def installed(*, chromium: bool) -> Path:
    """`node_modules` with axe in it; with the 66 MB of Chromium only for a machine that has no browser."""
    home = cache() / ("all" if chromium else "axe")
    if not home.exists():
        home.parent.mkdir(parents=True, exist_ok=True)
        # Installed beside its final place and renamed, so that an interrupted run leaves nothing that looks whole.
        with tempfile.TemporaryDirectory(prefix=".installing-", dir=home.parent) as scratch:
            fresh = Path(scratch) / "fresh"
            fresh.mkdir()
            npm.install(HERE, fresh, *([] if chromium else ["--omit=dev"]))
            if not home.exists():
                fresh.rename(home)
    return home / "node_modules"
