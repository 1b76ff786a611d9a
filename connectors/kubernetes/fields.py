"""An object as path and text, field by field: what two of them are compared by.

The values of environment variables may be secrets, so only their change can be seen, never they themselves.
"""

import hashlib
import re
from typing import Any

import msgspec

# What the server says about an object, as against what somebody declared in it. The last one repeats all the others.
NOT_DECLARED = frozenset(
    {
        "apiVersion",
        "kind",
        "status",
        "metadata.creationTimestamp",
        "metadata.generation",
        "metadata.managedFields",
        "metadata.resourceVersion",
        "metadata.selfLink",
        "metadata.uid",
        "metadata.annotations.kubectl.kubernetes.io/last-applied-configuration",
    }
)
_ENVIRONMENT_VALUE = re.compile(r".*\.env\[[^\]]*\]\.value")


def fields(declared: Any, path: str = "") -> dict[str, str]:
    """Path → text. Items of a list go by their name, if they have one."""
    if path in NOT_DECLARED:
        return {}
    if isinstance(declared, dict):
        inside = [fields(item, f"{path}.{key}" if path else key) for key, item in declared.items()]
        return {k: v for each in inside for k, v in each.items()}
    if isinstance(declared, list):
        inside = [fields(item, f"{path}[{name_of(item, index)}]") for index, item in enumerate(declared)]
        return {k: v for each in inside for k, v in each.items()} or {path: "[]"}
    text = declared if isinstance(declared, str) else msgspec.json.encode(declared).decode()
    return {path: _hidden(text) if _ENVIRONMENT_VALUE.fullmatch(path) else text}


def name_of(item: Any, index: int) -> str:
    """What an item of a list is called in a path."""
    return str(item["name"]) if isinstance(item, dict) and "name" in item else str(index)


def _hidden(text: str) -> str:
    return f"(hidden, {hashlib.sha256(text.encode()).hexdigest()[:8]})"
