"""The front end is what the packages publish, complete and nothing else."""

import re

import pytest

from actions.registry import all_actions
from portal.frontend import build
from tests.architecture.sources import ROOT

OUTLINE = """<svg
  class="icon"
  stroke-width="2"
>
  <path stroke="none" d="M0 0h24v24H0z" fill="none" />
  <path d="M12 9v4" />
</svg>
"""
FILLED = '<svg class="icon">\n  <path d="M12 1.67" />\n</svg>\n'


@pytest.fixture
def icons(tmp_path):
    for kind, name, svg in (("outline", "clock", OUTLINE), ("filled", "bolt", FILLED)):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / f"{name}.svg").write_text(svg)
    return tmp_path


def test_an_outlined_icon_keeps_its_shapes_and_leaves_strokes_to_the_stylesheet(icons):
    assert '<symbol id="clock" viewBox="0 0 24 24"><path d="M12 9v4" /></symbol>' in build.sprite(["clock"], icons)


def test_a_filled_icon_says_that_it_is_one(icons):
    symbol = '<symbol id="bolt-f" viewBox="0 0 24 24" fill="currentColor" stroke="none"><path d="M12 1.67" /></symbol>'
    assert symbol in build.sprite(["bolt-f"], icons)


@pytest.mark.parametrize("icon", ["no-such-icon", "clock-f", "bolt"])
def test_an_icon_that_tabler_does_not_have_stops_the_build(icons, icon):
    with pytest.raises(SystemExit, match=icon):
        build.sprite([icon], icons)


@pytest.mark.parametrize(
    ("published", "served"),
    [
        (b"a{}\n/*# sourceMappingURL=tabler.min.css.map */\n", b"a{}\n"),
        (b"f();\n//# sourceMappingURL=htmx.min.js.map", b"f();\n"),
        (b'f("data:x");\n', b'f("data:x");\n'),
    ],
)
def test_a_link_to_a_source_map_that_is_not_served_is_cut_off(published, served):
    assert build.SOURCE_MAP.sub(b"\n", published) == served


def test_what_was_built_is_what_pages_load():
    built = {path.relative_to(build.VENDOR).as_posix() for path in build.VENDOR.rglob("*") if path.is_file()}
    assert built == {
        *build.SERVED,
        *(f"licences/{name}" for name in build.LICENCES),
        "icons.svg",
        build.STAMP,
    }
    assert (build.VENDOR / build.STAMP).read_text() == build.fingerprint(), "Run `make setup`."


def test_every_listed_icon_is_in_the_sprite():
    sprite = (build.VENDOR / "icons.svg").read_text()
    assert [icon for icon in build.icon_ids() if f'<symbol id="{icon}"' not in sprite] == []


def test_every_icon_that_a_page_names_is_in_the_sprite():
    named = {
        (page.name, icon)
        for page in (ROOT / "templates").rglob("*.html")
        for icon in re.findall(r"""{% icon ["']([^"']+)["']""", page.read_text())
    }
    assert named
    assert {(page, icon) for page, icon in named if icon not in build.icon_ids()} == set()


def test_every_action_has_an_icon_that_the_pages_carry() -> None:
    names = (ROOT / "portal" / "frontend" / "icons.txt").read_text().splitlines()
    assert {action.icon for action in all_actions()} <= set(names)
