"""Builds `portal/static/portal/vendor/` from npm packages: exactly the files that the pages load, and their icons.

Run by `make setup` and by the image's build, never at run time. Nothing is bundled or transpiled: what a browser gets
is what the package's author published, so it can be compared with the package byte for byte (but for the link to a
source map that we do not serve). A second run does nothing unless the lock file, the list of icons or this module
changed.
"""

import hashlib
import re
import shutil
import sys
import tempfile
from pathlib import Path

from portal.frontend import npm

HERE = Path(__file__).parent
VENDOR = HERE.parent / "static" / "portal" / "vendor"
STAMP = ".built-from"

SERVED = {
    "tabler.min.css": "@tabler/core/dist/css/tabler.min.css",
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "hx-sse.min.js": "htmx.org/dist/ext/hx-sse.min.js",
    "relative-time.js": "@github/relative-time-element/dist/bundle.js",
    "uplot.min.js": "uplot/dist/uPlot.iife.min.js",
    "uplot.min.css": "uplot/dist/uPlot.min.css",
    "inter-latin-wght-normal.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
    "inter-latin-ext-wght-normal.woff2": "@fontsource-variable/inter/files/inter-latin-ext-wght-normal.woff2",
    "jetbrains-mono-latin-wght-normal.woff2": (
        "@fontsource-variable/jetbrains-mono/files/jetbrains-mono-latin-wght-normal.woff2"
    ),
}
# @tabler/core publishes its licence in package.json only; it is the same text as that of @tabler/icons.
LICENCES = {
    "fontsource-inter.txt": "@fontsource-variable/inter/LICENSE",
    "fontsource-jetbrains-mono.txt": "@fontsource-variable/jetbrains-mono/LICENSE",
    "htmx.txt": "htmx.org/LICENSE",
    "relative-time-element.txt": "@github/relative-time-element/LICENSE",
    "tabler.txt": "@tabler/icons/LICENSE",
    "uplot.txt": "uplot/LICENSE",
}
# WhiteNoise's manifest refuses a stylesheet that names a file which is not there.
SOURCE_MAP = re.compile(rb"\n?(/\*[#@]\s*sourceMappingURL=[^*]*\*/|//[#@]\s*sourceMappingURL=\S+)\s*")


def build() -> bool:
    """Bring `vendor/` up to date. False when it already was."""
    wanted = fingerprint()
    stamp = VENDOR / STAMP
    if stamp.exists() and stamp.read_text() == wanted:
        return False
    with tempfile.TemporaryDirectory(prefix="afterdeck-frontend-") as scratch:
        packages = npm.install(HERE, Path(scratch))
        fresh = Path(scratch) / "vendor"
        fresh.mkdir()
        fill(fresh, packages)
        shutil.rmtree(VENDOR, ignore_errors=True)
        shutil.move(fresh, VENDOR)
    stamp.write_text(wanted)
    return True


def fingerprint() -> str:
    """Changes whenever the result would."""
    sources = (HERE / "package-lock.json", HERE / "icons.txt", Path(__file__))
    return hashlib.sha256(b"\0".join(source.read_bytes() for source in sources)).hexdigest()


def fill(vendor: Path, packages: Path) -> None:
    """Copy what we serve, with its licences, from `node_modules`."""
    for name, source in SERVED.items():
        content = (packages / source).read_bytes()
        (vendor / name).write_bytes(content if name.endswith(".woff2") else SOURCE_MAP.sub(b"\n", content))
    (vendor / "icons.svg").write_text(sprite(icon_ids(), packages / "@tabler" / "icons" / "icons"))
    (vendor / "licences").mkdir()
    for name, source in LICENCES.items():
        shutil.copyfile(packages / source, vendor / "licences" / name)


def icon_ids() -> list[str]:
    """The ids in `icons.txt`."""
    lines = (line.strip() for line in (HERE / "icons.txt").read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def sprite(ids: list[str], icons: Path) -> str:
    """One SVG with a `<symbol>` per icon. Strokes are the stylesheet's business; a filled one has to say so."""
    symbols = []
    for icon in ids:
        filled = icon.endswith("-f")
        source = icons / ("filled" if filled else "outline") / f"{icon.removesuffix('-f')}.svg"
        if not source.exists():
            raise SystemExit(
                f"icons.txt: no icon {icon!r} in @tabler/icons ({source.name} is not in {source.parent.name}/)."
            )
        paint = ' fill="currentColor" stroke="none"' if filled else ""
        symbols.append(f'<symbol id="{icon}" viewBox="0 0 24 24"{paint}>{_shapes(source.read_text())}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n"


def _shapes(svg: str) -> str:
    start = svg.index(">", svg.index("<svg")) + 1
    shapes = (line.strip() for line in svg[start : svg.rindex("</svg>")].splitlines())
    return "".join(shape for shape in shapes if shape and 'd="M0 0h24v24H0z"' not in shape)  # Tabler's invisible frame


if __name__ == "__main__":
    try:
        sys.stdout.write(f"front end: {'built' if build() else 'up to date'}\n")
    except npm.NoNode as problem:
        raise SystemExit(f"front end: {problem}") from None
