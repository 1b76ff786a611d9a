"""New values, and how a run recognises its own after a crash without keeping them.

A value exists in one call of one step. Before it is sent, the secret's metadata gets a mark: the run, the version it is about to
write, and a slow salted fingerprint of what it writes. Whoever takes the run over finds either the old version, and writes another
value, or the next one, and can tell whether it holds what the run sent. Once that is known the fingerprint is taken away.
"""

import base64
import hashlib
import json
import secrets
import string
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

Evidence = dict[str, str | int]

LETTERS_AND_DIGITS = string.ascii_letters + string.digits
LONGEST_SUPPLIED = 10_000
MOST_ATTEMPTS = 12
"""Of one run: a vault keeps 512 characters of a note."""


@dataclass(frozen=True)
class Generator:
    label: str
    make: Callable[[], str]


GENERATORS = {
    "password": Generator(
        "32 letters and digits", lambda: "".join(secrets.choice(LETTERS_AND_DIGITS) for _ in range(32))
    ),
    "hex": Generator("32 bytes in hexadecimal", lambda: secrets.token_hex(32)),
    "base64": Generator("32 bytes in base64", lambda: base64.b64encode(secrets.token_bytes(32)).decode()),
    "uuid": Generator("a random UUID", lambda: str(uuid.uuid4())),
}


def problems_of(names: tuple[str, ...], supplied: Mapping[str, str]) -> dict[str, list[str]]:
    """What is wrong with values that a person typed, by key; never the value itself."""
    wrong = {name: ["Fill it in."] for name in names if not supplied.get(name)}
    wrong |= {name: ["This key is not among those that were asked for."] for name in supplied if name not in names}
    return wrong | {
        name: [f"At most {LONGEST_SUPPLIED} characters."] for name in names if len(supplied.get(name, "")) > LONGEST_SUPPLIED
    }  # fmt: skip


@dataclass(frozen=True)
class Mark:
    """What a run says in a secret's metadata that it writes. `prints` are of every attempt whose end nobody saw yet."""

    run: str = ""
    verb: str = ""
    version: int = 0
    salt: str = ""
    prints: tuple[str, ...] = ()

    def is_of(self, run: str, verb: str, version: int) -> bool:
        return (self.run, self.verb, self.version) == (run, verb, version)

    def about_to_write(self, values: Mapping[str, Any]) -> "Mark":
        salt = self.salt or secrets.token_hex(8)
        return replace(self, salt=salt, prints=(*self.prints, fingerprint(values, salt))[-MOST_ATTEMPTS:])

    def recognises(self, values: Mapping[str, Any]) -> bool:
        return fingerprint(values, self.salt) in self.prints

    def sent_last(self, values: Mapping[str, Any]) -> bool:
        return self.prints[-1:] == (fingerprint(values, self.salt),)

    @property
    def settled(self) -> "Mark":
        return replace(self, salt="", prints=())

    @property
    def text(self) -> str:
        return " ".join(filter(None, (self.run, self.verb, str(self.version), self.salt, *self.prints)))


def mark_from(note: str) -> Mark:
    """Somebody else may have written anything there: what is no mark is of no run."""
    run, verb, version, salt, *prints = [*note.split(), "", "", "", ""][: max(4, len(note.split()))]
    return Mark(run, verb, int(version), salt, tuple(filter(None, prints))) if version.isdecimal() else Mark()


def fingerprint(values: Mapping[str, Any], salt: str) -> str:
    """Slow on purpose (some 50 ms): a supplied value may be one that can be guessed."""
    canonical = json.dumps(dict(values), sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return base64.urlsafe_b64encode(hashlib.scrypt(canonical, salt=salt.encode(), n=2**14, r=8, p=1, dklen=18)).decode()
