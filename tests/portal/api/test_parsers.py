"""Bodies that mean two things, or nothing, are refused with the place where it went wrong; never a 500."""

import io
import tracemalloc

import pytest
from rest_framework.exceptions import ParseError

from portal.api.parsers import MAX_BYTES, StrictJSONParser, TooLarge, _object
from tests.characters import People
from tests.portal.api.conftest import Caller

HOSTILE = {
    "not UTF-8": (b'{"reason": "\xff"}', "Not UTF-8, at byte 12"),
    "byte order mark": (b'\xef\xbb\xbf{"target": 1}', "Not JSON"),
    "UTF-16": ('{"target": 1}'.encode("utf-16"), "Not UTF-8"),
    "nothing": (b"  ", "Not JSON"),
    "cut off": (b'{"target": 1', "line 1, column 13"),
    "two documents": (b"{}{}", "Extra data"),
    "duplicate key": (b'{"target": 1, "target": 2}', "The key 'target' is there twice"),
    "duplicate key inside": (b'{"params": {"replicas": 1, "replicas": 900}}', "The key 'replicas' is there twice"),
    "duplicate key by escape": (b'{"target": 1, "t\\u0061rget": 2}', "The key 'target' is there twice"),
    "deep list": (b"[" * 100_000 + b"]" * 100_000, "Nested too deeply"),
    "deep object": (b'{"a":' * 33 + b"1" + b"}" * 33, "Nested too deeply"),
    "never closed": (b"[" * 200_000, "Nested too deeply"),
    "NaN": (b'{"target": NaN}', "Not a number that fits: no NaN, no Infinity, integers up to 2^53, at /target"),
    "Infinity": (b'{"params": {"replicas": [1, -Infinity]}}', "at /params/replicas/1"),
    "a float beyond all": (b'{"target": 1e999}', "at /target"),
    "5000 digits": (b'{"target": ' + b"9" * 5000 + b"}", "at /target"),
    "beyond 2^53": (b'{"target": 9007199254740993}', "An integer beyond 2^53"),
    "below -2^53": (b'{"target": -9007199254740993}', "An integer beyond 2^53"),
    "lone surrogate": (b'{"reason": "\\ud800"}', "Half of a surrogate pair is not a character, at /reason"),
    "lone surrogate in a key": (b'{"params": {"\\udfff": 1}}', "at a key of /params"),
    "NUL": (b'{"reason": "a\\u0000b"}', "NUL characters are not text, at /reason"),
    "raw control character": (b'{"reason": "a\x00b"}', "Not JSON"),
}
FINE = {
    "a pair of surrogates": (b'{"reason": "\\ud83d\\ude00"}', {"reason": "\U0001f600"}),
    "exactly 2^53": (b'{"target": 9007199254740992}', {"target": 2**53}),
    "nested as deep as allowed": (b"[" * 32 + b"]" * 32, None),
    "line separators": ('{"reason": "\u2028"}'.encode(), {"reason": "\u2028"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_json_is_refused_with_the_place(name: str) -> None:
    body, reason = HOSTILE[name]
    with pytest.raises(ParseError) as refusal:
        StrictJSONParser().parse(io.BytesIO(body))
    assert reason in str(refusal.value)


@pytest.mark.parametrize("name", FINE)
def test_unusual_json_is_read(name: str) -> None:
    body, value = FINE[name]
    read = StrictJSONParser().parse(io.BytesIO(body))
    assert value is None or read == value


def test_a_body_is_bounded_before_it_is_read() -> None:
    endless = io.BytesIO(b" " * (MAX_BYTES * 4))
    with pytest.raises(TooLarge):
        StrictJSONParser().parse(endless)
    assert endless.tell() == MAX_BYTES + 1


def test_a_long_key_is_not_copied_for_each_item_under_it() -> None:
    key = b"k" * (MAX_BYTES // 2)
    body = b'{"' + key + b'": [' + b",".join([b"1"] * (MAX_BYTES // 4 - 10)) + b"]}"
    assert peak_of(body) < 50_000_000


def test_many_keys_are_read_and_the_one_that_is_there_twice_is_found() -> None:
    keys = [b'"%d":1' % number for number in range(20_000)]
    assert peak_of(b"{" + b",".join(keys) + b"}") < 50_000_000
    with pytest.raises(ParseError, match="'19999' is there twice"):
        StrictJSONParser().parse(io.BytesIO(b"{" + b",".join([*keys, keys[-1]]) + b"}"))


class Counted(str):
    """A key that counts how often it is compared."""

    comparisons = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return str.__eq__(self, other)


def test_each_key_is_compared_a_few_times_and_not_with_every_other() -> None:
    names = [*range(2000), 1999]
    with pytest.raises(ParseError, match="'1999' is there twice"):
        _object([(Counted(name), 1) for name in names])
    assert Counted.comparisons < 10 * len(names)


def peak_of(body: bytes) -> int:
    """The most memory that reading this body took, in bytes."""
    assert len(body) <= MAX_BYTES
    tracemalloc.start()
    try:
        StrictJSONParser().parse(io.BytesIO(body))
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_hostile_json_gets_a_400_problem(people: People, script: Caller) -> None:
    client = script(people.mira)
    for name, (body, _) in HOSTILE.items():
        answer = client.post("/api/requests", body, content_type="application/json")
        assert (answer.status_code, answer["Content-Type"]) == (400, "application/problem+json"), name
        assert answer.json()["code"] == "parse-error"


def test_a_body_of_10_mb_gets_a_413_problem(people: People, script: Caller) -> None:
    body = b'{"reason": "' + b"a" * 10_000_000 + b'"}'
    answer = script(people.mira).post("/api/requests", body, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (413, "too-large")


def test_what_is_not_json_gets_a_415_problem(people: People, script: Caller) -> None:
    client = script(people.mira)
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""):
        answer = client.generic("POST", "/api/requests", "target=1", content_type=kind)
        assert (answer.status_code, answer.json()["code"]) == (415, "unsupported-media-type"), kind
