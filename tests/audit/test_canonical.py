"""One text for one value, and no text for what has none."""

import json
import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.canonical import NotCanonical, canonical_text, digest, storable

numbers = st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))
values = st.recursive(
    st.none() | st.booleans() | numbers | texts,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(texts, inner, max_size=5),
    max_leaves=20,
)

# RFC 8785, appendix B and section 3.2.
VECTORS = [
    (0.0, "0"), (-0.0, "0"), (5e-324, "5e-324"), (-5e-324, "-5e-324"), (1.7976931348623157e308, "1.7976931348623157e+308"),
    (9007199254740991, "9007199254740991"), (295147905179352830000.0, "295147905179352830000"), (1e21, "1e+21"), (1e-6, "0.000001"),
    (1e-7, "1e-7"), (9.999999999999997e22, "9.999999999999997e+22"), (333333333.3333332, "333333333.3333332"), (4.5, "4.5"), (1.0, "1"),
    ("\u20ac$\u000f\nA'B\"\\\\\"/", '"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"'),
    ({"b": 1, "a": [True, None, {}]}, '{"a":[true,null,{}],"b":1}'),
]  # fmt: skip


@pytest.mark.parametrize(("value", "text"), VECTORS, ids=lambda value: ascii(value)[:24])
def test_the_vectors_of_the_standard(value: object, text: str) -> None:
    assert canonical_text(value) == text


def test_keys_are_sorted_by_their_utf_16_units() -> None:
    value = {"\u20ac": 1, "\r": 2, "1": 4, "\U0001f600": 5, "\u0080": 6, "\u00f6": 7, "\uff5e": 8}
    assert [*json.loads(canonical_text(value))] == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\uff5e"]


def read(text: str) -> Any:
    """As JavaScript would: a whole number that is too large for an integer is a float."""
    return json.loads(text, parse_int=lambda digits: int(digits) if abs(int(digits)) < 2**53 else float(digits))


@given(values)
def test_what_is_read_back_has_the_same_text(value: object) -> None:
    try:
        text = canonical_text(value)
    except NotCanonical as problem:
        assert "same text once it is normalised" in str(problem)  # two keys of a random object may meet
        return
    assert canonical_text(read(text)) == text
    assert digest(read(text)) == digest(value)
    text.encode()


@given(st.dictionaries(texts.map(lambda text: unicodedata.normalize("NFC", text)), numbers, max_size=8), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    items = [*value.items()]
    random.shuffle(items)
    assert canonical_text(dict(items)) == canonical_text(value)


@given(texts)
def test_two_spellings_of_one_word_are_one_text(word: str) -> None:
    spellings = {canonical_text(unicodedata.normalize(form, word)) for form in ("NFC", "NFD")}
    assert len(spellings) == 1


def test_an_accent_is_part_of_its_letter() -> None:
    assert canonical_text({"cafe\u0301": "Zu\u0308rich"}) == '{"caf\u00e9":"Z\u00fcrich"}'


def test_two_keys_that_are_one_word_are_not_made_one_silently() -> None:
    with pytest.raises(NotCanonical, match="same text once it is normalised"):
        canonical_text({"caf\u00e9": 1, "cafe\u0301": 2})


def deep(levels: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    "value",
    [
        float("nan"), float("inf"), -float("inf"), 2**53, -(2**53), 10**5000, "\ud800", {"\udfff": 1}, {1: "one"}, {None: 1}, b"bytes",
        {"set": {1}}, object(), deep(100_000),
    ],
    ids=lambda value: ascii(type(value).__name__),
)  # fmt: skip
def test_what_has_no_canonical_text_is_refused(value: object) -> None:
    with pytest.raises(NotCanonical):
        canonical_text(value)


@given(st.text())
def test_what_is_storable_has_a_canonical_text_and_no_nul(text: str) -> None:
    stored = storable(text)
    assert "\x00" not in stored
    canonical_text(stored)


@given(texts.filter(lambda text: "\x00" not in text))
def test_what_can_be_stored_is_stored_as_it_is(text: str) -> None:
    assert storable(text) == text
