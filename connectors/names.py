"""What a name may look like before it becomes a part of a URL.

`..` or an empty name turns "delete this pod" into "delete all of them", and `$` in a regular expression accepts a
trailing newline, so every name is matched in full against the alphabet its server uses, and whatever does not match
never leaves this process. Each validator returns its argument, for use in an expression.
"""

import re
from decimal import Decimal

from connectors.errors import InvalidName

_LABEL = re.compile(r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?", re.ASCII)
_SUBDOMAIN = re.compile(r"[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*", re.ASCII)
_UID = re.compile(r"[0-9A-Za-z](?:[-0-9A-Za-z]{0,126}[0-9A-Za-z])?", re.ASCII)
_RESOURCE_VERSION = re.compile(r"[0-9A-Za-z]{1,64}", re.ASCII)
_VAULT_SEGMENT = re.compile(r"[A-Za-z0-9_@~+-][A-Za-z0-9_.@~+-]*", re.ASCII)
_TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII)
_QUANTITY = re.compile(r"(\d{1,15}(?:\.\d{1,9})?)(n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|)", re.ASCII)

_MULTIPLIERS = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{suffix: Decimal(1000) ** power for power, suffix in enumerate(["k", "M", "G", "T", "P", "E"], 1)},
    **{suffix: Decimal(1024) ** power for power, suffix in enumerate(["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"], 1)},
}
VAULTS_OWN = frozenset({"sys", "auth", "identity", "cubbyhole", "audit"})
LARGEST_QUANTITY = Decimal(2) ** 63 - 1  # what the API server itself can hold
LARGEST_COUNT = 2**31 - 1  # replicas are an int32


def _matched(pattern: re.Pattern[str], value: str, what: str, rule: str, longest: int) -> str:
    if not isinstance(value, str) or len(value) > longest or not pattern.fullmatch(value):
        shown = ascii(value[:40]) if isinstance(value, str) else type(value).__name__
        raise InvalidName(f"{shown} cannot be {what}: {rule}.")
    return value


def dns_label(value: str, what: str = "the name of a namespace") -> str:
    """DNS-1123 label: namespaces, and workloads whose name ends up in a host name."""
    return _matched(
        _LABEL, value, what, "use 1 to 63 of a-z, 0-9 and '-', beginning and ending with a letter or digit", 63
    )


def dns_subdomain(value: str, what: str = "the name of an object") -> str:
    """DNS-1123 subdomain: most objects of a cluster."""
    rule = "use 1 to 253 of a-z, 0-9, '-' and '.', each part beginning and ending with a letter or digit"
    return _matched(_SUBDOMAIN, value, what, rule, 253)


def uid(value: str) -> str:
    return _matched(_UID, value, "the UID of an object", "use letters, digits and '-'", 128)


def resource_version(value: str) -> str:
    """The version the caller has seen. An empty one would be no precondition at all."""
    return _matched(_RESOURCE_VERSION, value, "a version that was seen", "use the one that came with the object", 64)


def timestamp(value: str) -> str:
    return _matched(_TIMESTAMP, value, "a time", "use RFC 3339 with a zone, as in 2026-11-23T09:30:00Z", 40)


def kind(value: str, known: frozenset[str]) -> str:
    if not isinstance(value, str) or value not in known:
        raise InvalidName(f"{ascii(value)[:60]} cannot be used here: it must be one of {', '.join(sorted(known))}.")
    return value


def vault_path(value: str, what: str = "a path in a vault") -> str:
    """Segments of ASCII letters, digits and `_ . @ ~ + -`, none beginning with a dot, at most 512 characters in all."""
    rule = "use segments of letters, digits and _ . @ ~ + - that do not begin with '.', separated by single '/'"
    if isinstance(value, str) and len(value) <= 512 and all(map(_VAULT_SEGMENT.fullmatch, value.split("/"))):
        return value
    return _matched(_VAULT_SEGMENT, value, what, rule, 0)


def mount(value: str) -> str:
    """The path of a secrets engine, without the trailing slash. The vault's own ones are not for us."""
    if vault_path(value, "a mount").split("/")[0] in VAULTS_OWN:
        raise InvalidName(f"{value} is a part of the vault itself and holds no secrets engine of yours.")
    return value


def quantity(value: str) -> Decimal:
    """The number behind a Kubernetes quantity: unsigned, finite, plain ASCII, and no larger than the server holds."""
    rule = "use digits with an optional suffix out of n u m k M G T P E Ki Mi Gi Ti Pi Ei"
    _matched(_QUANTITY, value, "a quantity", rule, 32)
    match = _QUANTITY.fullmatch(value)
    assert match is not None
    number = Decimal(match[1]) * _MULTIPLIERS[match[2]]
    if number > LARGEST_QUANTITY:
        raise InvalidName(f"{value} cannot be a quantity: it is larger than 2^63 - 1.")
    return number


def count(value: int, what: str = "a number of replicas", least: int = 0) -> int:
    """A whole number that fits the server's int32. `True` and `3.0` are not numbers of replicas."""
    if type(value) is not int or not least <= value <= LARGEST_COUNT:
        shown = value if type(value) is int and abs(value) < 10**12 else type(value).__name__
        raise InvalidName(f"{shown} cannot be {what}: use a whole number from {least} to {LARGEST_COUNT}.")
    return value
