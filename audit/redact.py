"""Keeps secret values out of the record, even when a caller forgot to.

The first defence is that values never reach us; this is the second: keys that name a credential lose their value, and text that
looks like one (a Vault or Kubernetes token, a private key, a password in a URL) is replaced.
"""

import re
from collections.abc import Mapping, Sequence

HIDDEN = "[hidden]"

_SECRET_KEY = re.compile(
    r"(?:^|[_\-.])(?:password|passwd|secret_id|token|api[_-]?key|private[_-]?key|client[_-]?secret|credential|authorization|cookie)$",
    re.IGNORECASE,
)
_SECRET_TEXT = re.compile(
    r"""
    \bafd_[A-Za-z0-9_\-]{43}                          # our own API tokens
    | hv[sbr]\.[A-Za-z0-9_\-]{20,}                     # Vault and OpenBao tokens
    | \bs\.[A-Za-z0-9]{24,}\b                        # OpenBao service tokens
    | \beyJ[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}\.[A-Za-z0-9_\-]{10,}  # JSON Web Tokens (ServiceAccounts)
    | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z\ ]*PRIVATE\ KEY-----|\Z)
    | (?<=://)[^/\s:@]{0,256}:[^/\s@]{1,256}(?=@)    # user:password@ in a URL
    """,
    re.VERBOSE | re.DOTALL,
)


def redact(value: object) -> object:
    """Return a copy of a JSON value in which whatever looks like a credential reads `[hidden]`."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {key: HIDDEN if _SECRET_KEY.search(str(key)) else redact(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [redact(item) for item in value]
    return value


def redact_text(text: str) -> str:
    return _SECRET_TEXT.sub(HIDDEN, text)
