"""What can go wrong with an outside system, in the only distinctions that decide what happens next.

A caller needs to know one thing about a failure: did it have an effect? *Transient*: no, try again later.
*Permanent*, *Forbidden*, *Conflict*: no, and the same call will be refused again. *Unknown*: bytes went out and no
answer came back, so read back before anything else. Every text is cleaned here, once, because it came from a machine
that is not ours and will be shown on pages, in terminals and in exports.
"""

import re
import unicodedata

SENTENCE_LIMIT = 300
DETAIL_LIMIT = 2000

_TERMINAL_SEQUENCES = re.compile(
    r"\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?"  # OSC: titles and hyperlinks
    r"|(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor movement
    r"|\x1b[@-_]?"
)


def clean(text: str, limit: int) -> str:
    """One bounded line of `text`, without terminal sequences and without control or bidirectional characters."""
    # Longer than any honest message; cut before the regex so that a hostile one costs nothing.
    visible = _TERMINAL_SEQUENCES.sub("", text[: limit * 8])
    kept = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in visible)
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


def clean_lines(text: str) -> str:
    """`text` line by line, without terminal sequences and without control or bidirectional characters. As long as it was."""
    visible = _TERMINAL_SEQUENCES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(c if c in "\n\t" or unicodedata.category(c)[0] != "C" else " " for c in visible)


class ConnectorError(Exception):
    """`sentence` may be shown to whoever may see the target; `detail` is the server's own message, for operators."""

    def __init__(self, sentence: str, detail: str = "") -> None:
        self.sentence = clean(sentence, SENTENCE_LIMIT)
        self.detail = clean(detail, DETAIL_LIMIT)
        super().__init__(self.sentence)

    def __reduce__(self) -> tuple[type["ConnectorError"], tuple[str, str]]:
        return type(self), (self.sentence, self.detail)


class Transient(ConnectorError):
    """Nothing was sent, or a read failed. Trying again later is safe."""


class Held(Transient):
    """A disruption budget keeps the pod where it is. Nothing was changed; other pods have to be ready first."""


class Permanent(ConnectorError):
    """The server refused. The same call will be refused again."""


class Missing(Permanent):
    """The object, or the kind of object, is not there."""


class InvalidName(Permanent):
    """Refused before any call: this cannot be the name of anything."""


class Conflict(ConnectorError):
    """The object is no longer what the caller had seen. Nothing was changed."""


class Forbidden(ConnectorError):
    """We, or the person we act for, may not do this. Nothing was changed."""


class ReadOnly(Forbidden):
    """The connector is configured to look and not to touch. Nothing was sent."""


class Unknown(ConnectorError):
    """Bytes went out and no trustworthy answer came back: it may have happened. Read back before anything else."""
