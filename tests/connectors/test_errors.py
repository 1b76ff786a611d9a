"""Whatever a server says, what we keep of it is one bounded, printable line."""

import pytest

from connectors.errors import DETAIL_LIMIT, SENTENCE_LIMIT, Conflict, Permanent, clean


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("plain", "plain"),
        ("two\nlines\r\nand\ttabs", "two lines and tabs"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("\x1b]0;title\x07after", "after"),
        ("\x1b]8;;https://evil.example\x1b\\click\x1b]8;;\x1b\\", "click"),
        ("\x9b31mred", "red"),
        ("nul\x00nul", "nul nul"),
        ("abc\u202edef", "abc def"),
        ("naïve 日本", "naïve 日本"),
        ("", ""),
        ("\x1b", ""),
    ],
)
def test_a_servers_text_becomes_one_printable_line(said, kept):
    assert clean(said, 100) == kept


def test_a_huge_text_is_cut():
    error = Permanent("s" * 10_000_000, "\x1b[" * 5_000_000)

    assert len(error.sentence) == SENTENCE_LIMIT
    assert error.sentence.endswith("…")
    assert len(error.detail) <= DETAIL_LIMIT


def test_a_lone_surrogate_does_not_survive():
    assert Conflict("a\ud800b").sentence.encode() == b"a b"
