"""What a stranger claims becomes safe text, a safe link, a usable name, or nothing."""

import json

import pytest

from inventory import claims


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("Checkout API", "Checkout API"),
        ("Größenberater", "Größenberater"),
        ("Gro\u0308ße", "Größe"),  # one spelling of one name
        ("two\nlines\tand\r\nmore", "two lines and more"),
        ("\x1b[31mred\x1b[0m \x1b]8;;https://evil.example\x07link", "red link"),
        ("pay\u202estnem", "pay stnem"),
        ("nul\x00byte", "nul byte"),
        ("lone \ud800 surrogate", "lone surrogate"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),  # text; the template escapes it
        (None, ""),
        (7, ""),
        (["a"], ""),
    ],
)
def test_a_line_is_one_line_of_visible_text(written, kept):
    assert claims.line(written, 100) == kept


def test_a_line_is_cut_and_a_huge_one_costs_nothing():
    assert claims.line("x" * 10_000_000, 20) == "x" * 19 + "…"


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JaVaScRiPt:alert(1)",
        "data:text/html,hello",
        "http://example.com",
        "//example.com",
        "https:example.com",
        "https://",
        "https:///path",
        "https://user@example.com",
        "https://good.example\\@evil.example",
        "https://example.com/\nx",
        " https://example.com",
        "https://ex\u0430mple.com",  # Cyrillic
        "https://example.com/<script>",
        'https://example.com/"onmouseover="x',
        "https://[::1",
        "https://example.com:port/",
        "https://example.com/" + "x" * 500,
    ],
)
def test_a_link_that_is_not_plainly_https_is_left_out(url):
    assert claims.https_links([("Runbook", url), ("Good", "https://example.com/ok")]) == {
        "Good": "https://example.com/ok"
    }


@pytest.mark.parametrize(
    "annotation",
    [
        "",
        "no JSON",
        "[]",
        '"text"',
        "7",
        "null",
        "[" * 10_000,
        "9" * 10_000,
        '{"a": {"b": "c"}}',
        '{"a": "\\ud800"}',
        "{" * 20_000,
    ],
)
def test_a_links_annotation_that_is_none_gives_no_links(annotation):
    assert claims.links_in(annotation) == {}


def test_links_are_few_and_have_short_names():
    many = json.dumps(
        {f"{'n' * 100}{i}": "https://example.com" for i in range(3)}
        | {f"l{i}": "https://example.com" for i in range(50)}
    )
    kept = claims.links_in(many)

    assert len(kept) == claims.MOST_LINKS
    assert max(map(len, kept)) <= claims.LINK_NAME_LIMIT


@pytest.mark.parametrize(
    ("annotation", "secrets"),
    [
        ('["secret/payments/stripe", "database/orders"]', {"secret/payments/stripe", "database/orders"}),
        ('["secret/../sys/mounts", "/a", "a/", "a//b", "nomount", 7, null, "a/b\\n"]', set()),
        ('{"secret/payments": 1}', set()),
        ("[" * 5000, set()),
        (json.dumps([f"secret/{i}" for i in range(10_000)]), set()),  # longer than any honest list
    ],
)
def test_secrets_are_paths_that_a_vault_could_have(annotation, secrets):
    assert claims.secrets_in(annotation) == secrets


@pytest.mark.parametrize(
    ("written", "tier"),
    [("1", 1), ("3", 3), (2, 2), ("0", None), ("4", None), ("-1", None), ("1.0", None), ("\uff11", None), ("1\n", None), (True, None),
     (1.0, None), (None, None), ("01", None), pytest.param(10**5000, None, id="5000 digits")],
)  # fmt: skip
def test_a_tier_is_1_to_3(written, tier):
    assert claims.tier(written) == tier


@pytest.mark.parametrize(
    ("written", "slug"),
    [
        ("checkout-api", "checkout-api"),
        ("Checkout-API", "checkout-api"),
        ("a.b", "a.b"),
        ("..", ""),
        ("", ""),
        ("a/b", ""),
        ("payments\n", ""),
        ("p\u0430yments", ""),
        ("\u212aelvin", ""),  # a Kelvin sign, which lower() turns into a k
        ("a" * 254, ""),
        (None, ""),
        (7, ""),
    ],
)
def test_a_service_has_the_name_of_an_object(written, slug):
    assert claims.service_slug(written) == slug
