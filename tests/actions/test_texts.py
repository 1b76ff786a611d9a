"""A passage of a text is replaced, and the way back makes exactly the old text again."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from actions.plans import Line
from actions.texts import Passage, changed_lines, closest, occurrences, replaced, way_back

TEXT = "level: info\npool: 4\n\nlevels:\n  - info\n"


@pytest.mark.parametrize(
    ("find", "replace", "back"),
    [
        ("level: info", "level: debug", Passage("level: debug", "level: info")),
        ("pool: 4\n", "", Passage("level: info\n\n", "level: info\npool: 4\n\n")),  # nothing alone stands nowhere
        ("pool: 4", "level", Passage("level: info\nlevel\n", "level: info\npool: 4\n")),  # one of several
        (TEXT, "new", Passage("new", TEXT)),
    ],
)
def test_the_way_back_is_as_long_as_it_takes_to_be_the_only_one(find: str, replace: str, back: Passage) -> None:
    found = way_back(TEXT, Passage(find, replace))
    assert found == back
    assert replaced(replaced(TEXT, Passage(find, replace)), found) == TEXT


@given(st.text("ab\n", min_size=1, max_size=12), st.integers(0, 11), st.integers(1, 4), st.text("ab\n", max_size=3))
def test_back_and_forth_is_the_same_text(text: str, at: int, length: int, replace: str) -> None:
    find = text[at : at + length]
    if occurrences(text, find) == 1 and (new := replaced(text, Passage(find, replace))):
        back = way_back(text, Passage(find, replace))
        assert occurrences(new, back.find) == 1
        assert replaced(new, back) == text


@pytest.mark.parametrize(
    ("old", "new", "lines"),
    [
        (TEXT, TEXT, ()),
        ("a\nb\nc", "a\nB\nc", (Line("data.x", "b\n", "B\n"),)),
        ("a\nc", "a\nb\nc", (Line("data.x", "", "b\n"),)),
        ("a\nc", "a\n\nc", (Line("data.x", "", "\n"),)),
        ("a\nb\nc\nd", "a\nd", (Line("data.x", "b\nc\n", ""),)),
        ("a\nb\nc\nd", "a\nB\nc\nD", (Line("data.x", "b\nc\nd", "B\nc\nD"),)),
        ("a", "a\n", (Line("data.x", "a", "a\n"),)),
    ],
)
def test_only_the_lines_that_differ_are_shown_and_on_the_way_back_the_same(
    old: str, new: str, lines: tuple[Line, ...]
) -> None:
    assert changed_lines("data.x", old, new) == lines
    assert changed_lines("data.x", new, old) == tuple(Line(each.path, each.after, each.before) for each in lines)


def test_what_is_nearly_meant_is_found() -> None:
    assert closest(TEXT, "levle: info") == "level: info"
    assert closest(TEXT, "nothing of the kind") == ""
