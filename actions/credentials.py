"""What is, or may well be, a credential by its name or by its look, and so is nothing for a parameter.

Parameters are shown, kept and signed. Rather a harmless variable too many is refused than a password too few.
"""

import re

from audit.redact import redact_text

from .protocol import CannotPlan

WORDS = {
    "auth", "cert", "cookie", "cred", "creds", "credential", "credentials", "dsn", "key", "keys", "pass", "passphrase", "passwd",
    "password", "passwords", "pat", "pin", "private", "pwd", "salt", "secret", "secrets", "signature", "token", "tokens",
}  # fmt: skip
ENDINGS = (
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "accesskey",
    "secretkey",
    "privatekey",
    "credentials",
)

_ASSIGNED = re.compile(r"""([A-Za-z][\w.-]*)["']?[ \t]*[:=][ \t]*["']?[^\s"']""", re.ASCII)
"""`password: x`, as in most files of settings."""

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def names_a_credential(name: str) -> bool:
    words = [word for word in re.split(r"[^a-z0-9]+", _HUMP.sub("_", name).lower()) if word]
    return any(word in WORDS or word.endswith(ENDINGS) for word in words)


def refuse_credentials(name: str, *texts: str) -> None:
    """Raises `CannotPlan` when the name, or one of the texts that would be written, looks like a credential."""
    if names_a_credential(name):
        raise CannotPlan(
            f"{name} looks like the name of a credential, and what is asked for here is shown and kept. Use “Rotate secret” for it."
        )
    if any(_looks_like_one(text) for text in texts):
        raise CannotPlan(
            "The text looks as if it held a credential, and what is asked for here is shown and kept. Keep it in the vault, and use "
            "“Rotate secret” for it."
        )


def _looks_like_one(text: str) -> bool:
    return redact_text(text) != text or any(names_a_credential(name) for name in _ASSIGNED.findall(text))
