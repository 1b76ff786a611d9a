"""A catalog file is read as the file of a stranger."""

from typing import Any

import pytest
import yaml

from inventory.catalog import MOST_BYTES, MOST_DOCUMENTS, ServiceEntry, TeamEntry, Unreadable, read

BOMB = 'a: &a ["x","x"]\nb: &b [*a,*a]\nc: &c [*b,*b]\nd: [*c,*c]\n'


def component(name: Any = "checkout", *, metadata: dict[str, Any] | None = None, **spec: Any) -> str:
    document = {
        "apiVersion": "backstage.io/v1alpha1",
        "kind": "Component",
        "metadata": {"name": name} | (metadata or {}),
        "spec": spec,
    }
    return yaml.safe_dump(document, allow_unicode=True) + "---\n"


def only(text: str) -> tuple[ServiceEntry, tuple[str, ...]]:
    found = read(text.encode())
    assert len(found.services) == 1, found.notes
    return found.services[0], found.notes


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (BOMB.encode(), r"It uses the alias \*a in line 2\."),
        (b"a: &a\n  b: *a\n", r"It uses the alias \*a in line 2\."),
        (b"[" * 5000, "nested more than 32 levels deep"),
        (b"{a: " * 5000, "nested more than 32 levels deep"),
        (b"- " * 5000, "nested more than 32 levels deep"),
        (b"x" * (MOST_BYTES + 1), "larger than 1024 KiB"),
        (b"---\na: 1\n" * (MOST_DOCUMENTS + 1), "more than 5000 documents"),
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (b"kind: [", "not YAML in line"),
        (b"a: b\n\x00", "not YAML"),
        (b"? {a: b}\n: c\n", "not YAML in line 1"),
        (b"a: b: c", "not YAML in line 1"),
    ],
)
def test_a_hostile_file_is_refused_with_a_reason(content, sentence):
    with pytest.raises(Unreadable, match=sentence):
        read(content)


def test_a_tag_makes_no_object():
    found = read(
        b'apiVersion: backstage.io/v1\nkind: Component\nmetadata:\n  name: !!python/object/apply:os.system ["true"]\n'
    )
    assert found.services == ()
    assert "the name of a service has" in found.notes[0]


@pytest.mark.parametrize("content", [b"", b"---\n---\n", b"- a\n- b\n", b"just text", b"7"])
def test_a_file_without_entries_gives_none(content):
    found = read(content)
    assert (found.teams, found.services) == ((), ())


@pytest.mark.parametrize(
    ("written", "meant"),
    [("no", "no"), ("012", "012"), ("1e3", "1e3"), ("nullable", "nullable"), ("2026-99-99", "2026-99-99")],
)
def test_a_name_is_the_text_that_was_written(written, meant):
    found, _ = only(f"apiVersion: backstage.io/v1alpha1\nkind: Component\nmetadata: {{name: {written}}}\n")
    assert found.slug == meant


def test_everything_usable_is_taken():
    links = [{"title": "Runbook", "url": "https://runbooks.example.com/checkout"}]
    text = component(
        metadata={"title": "Größe", "description": "Takes\nmoney", "annotations": {"afterdeck.dev/tier": "1"}, "links": links},
        owner="group:default/payments", dependsOn=["component:default/ledger", "Component:fraud"],
    )  # fmt: skip
    found, notes = only(text)

    assert found == ServiceEntry(
        slug="checkout", owner="payments", name="Größe", description="Takes money", tier=1,
        links={"Runbook": "https://runbooks.example.com/checkout"}, calls=frozenset({"ledger", "fraud"}),
    )  # fmt: skip
    assert notes == ()


def test_a_null_says_nothing():
    found, _ = only(component(metadata={"title": None, "description": None}, owner=None))
    assert (found.name, found.description, found.owner) == ("", "", "")


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (component(owner="user:default/mira"), "its owner is not a group"),
        (component(owner="group:other/payments"), "its owner is not a group"),
        (component(owner=["payments"]), "its owner is not a group"),
        (component(metadata={"labels": {"afterdeck.dev/tier": "gold"}}), "its tier is not 1, 2 or 3"),
        (component(metadata={"links": [{"title": "x", "url": "javascript:alert(1)"}, "text"]}), "2 of 2 links"),
        (component(dependsOn=["resource:default/db", "component:default/ledger"]), "1 of 2 dependencies"),
        (component(dependsOn="component:ledger") + component(), "the name was used before"),
    ],
)
def test_what_is_left_out_of_an_entry_is_said(text, note):
    found, notes = only(text)
    assert found.slug == "checkout"
    assert [each for each in notes if note in each and each.startswith("Component checkout: ")]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        (
            "apiVersion: backstage.io/v1\nkind: System\nmetadata: {name: shop}\n",
            "System shop: only Group and Component are imported",
        ),
        (
            "apiVersion: v1\nkind: Component\nmetadata: {name: shop}\n",
            "Component shop: its apiVersion is not Backstage's",
        ),
        (component("../admin"), "Component ../admin: the name of a service has"),
        (component("a" * 300), "the name of a service has"),
        (component(None), "the name of a service has"),
        (component({"a": "b"}), "the name of a service has"),
        (component(metadata={"namespace": "other"}), "only the default namespace"),
        ("apiVersion: backstage.io/v1\nkind: Group\nmetadata: {name: 'a b'}\n", "Group a b: the name of a team has"),
        ("- a list\n", "document 1: it is not a mapping"),
        ('apiVersion: backstage.io/v1\nkind: "\\e[31mRed"\nmetadata: {name: x}\n', "Red x: only Group"),
    ],
)
def test_an_entry_that_cannot_be_used_is_named_with_the_reason(text, note):
    found = read(text.encode())
    assert (found.teams, found.services) == ((), ())
    assert note in found.notes[0]
    assert found.notes[0].isprintable()


@pytest.mark.parametrize(
    ("profile", "name"),
    [("{displayName: Team Payments}", "Team Payments"), ("{displayName: [a]}", "Money"), ("text", "Money")],
)
def test_a_group_is_a_team(profile, name):
    text = f"apiVersion: backstage.io/v1\nkind: Group\nmetadata: {{name: payments, title: Money}}\nspec: {{profile: {profile}}}\n"
    assert read(text.encode()).teams == (TeamEntry("payments", name),)
