"""Keeps secret values out of the record, even when a caller forgot to.

The first defence is that values never reach us; this is the second: keys that name a credential lose their value, and text that
looks like one (a token of a known make, a private key, a password in a URL, a header or a flag) is replaced.
"""

import re
from collections.abc import Mapping, Sequence

HIDDEN = "[hidden]"

_CREDENTIAL = (
    r"passw(?:or)?d|passphrase|pwd|secret[_-]?id|client[_-]?secret|secret[_-]?(?:access[_-]?)?key|access[_-]?token|token|api[_-]?key"
    r"|private[_-]?key|credentials?"
)
_SECRET_KEY = re.compile(rf"(?:(?:^|[_\-.])(?:{_CREDENTIAL}|authorization|cookie)|password)$")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")

_SECRET_TEXT = re.compile(
    rf"""
    \bafd_[A-Za-z0-9_\-]{{43}}                                               # our own API tokens
    | hv[sbr]\.[A-Za-z0-9_\-]{{20,}}                                          # Vault and OpenBao tokens
    | \bs\.[A-Za-z0-9]{{24,}}\b                                             # OpenBao service tokens
    | \beyJ[A-Za-z0-9_\-]{{10,}}\.[A-Za-z0-9_\-]{{10,}}\.[A-Za-z0-9_\-]{{10,}}  # JSON Web Tokens (ServiceAccounts)
    | \bgh[pousr]_[A-Za-z0-9]{{36,}} | \bgithub_pat_[A-Za-z0-9_]{{22,}}       # GitHub
    | \bglpat-[A-Za-z0-9_\-]{{20,}}                                          # GitLab
    | \bxox[abeoprs]-[A-Za-z0-9\-]{{10,}}                                    # Slack
    | \b(?:AKIA|ASIA)[A-Z0-9]{{16}}\b                                       # AWS
    | \b[rs]k_(?:live|test)_[A-Za-z0-9]{{16,}}                               # Stripe
    | \bAIza[A-Za-z0-9_\-]{{35}}                                             # Google
    | -----BEGIN\ [A-Z\ ]*PRIVATE\ KEY-----.*?(?:-----END\ [A-Z\ ]*PRIVATE\ KEY-----|\Z)
    | (?<=://)[^/\s:@]{{0,256}}:[^/\s@]{{1,256}}(?=@)                          # user:password@ in a URL
    | (?P<header>(?i:authorization|proxy-authorization|x-vault-token|x-api-key|set-cookie|cookie)\s{{0,4}}:\s{{0,4}})
      (?:(?i:bearer|basic|token)\s{{1,4}})?[^\s"',]+
    | (?P<flag>--(?i:{_CREDENTIAL})[\s=]{{1,4}})[^\s"']+
    | (?P<assigned>(?i:{_CREDENTIAL})(?:\s{{0,4}}=\s{{0,4}}["']?|["']\s{{0,4}}[:=]\s{{0,4}}["']))[^\s"',;&]+
    """,
    re.VERBOSE | re.DOTALL,
)


def redact(value: object) -> object:
    """Return a copy of a JSON value in which whatever looks like a credential reads `[hidden]`."""
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, Mapping):
        return {
            redact_text(key) if isinstance(key, str) else key: HIDDEN if _names_a_credential(key) else redact(item)
            for key, item in value.items()
        }
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return [redact(item) for item in value]
    return value


def redact_text(text: str) -> str:
    return _SECRET_TEXT.sub(_hide, text)


def _hide(match: re.Match[str]) -> str:
    """What says that a credential follows stays."""
    return f"{match['header'] or match['flag'] or match['assigned'] or ''}{HIDDEN}"


def _names_a_credential(key: object) -> bool:
    return bool(_SECRET_KEY.search(_HUMP.sub("_", str(key)).lower()))
