"""Whom a policy can ask, by name: what `of` may say, and what that is called in a sentence. Who that is, the caller knows."""

import difflib
import re
from dataclasses import dataclass

OWNING_TEAM_APPROVERS = "owning-team-approvers"
OWNING_TEAM = "owning-team"
SERVICE_OWNERS = "service-owners"
ON_CALL = "on-call"
ADMINISTRATORS = "administrators"

FIXED = {
    OWNING_TEAM_APPROVERS: "approvers of team {team}",
    OWNING_TEAM: "members of team {team}",
    SERVICE_OWNERS: "owners of {service}",
    ON_CALL: "people on call for team {team}",
    ADMINISTRATORS: "administrators",
}
NAMED = {"group": "members of group {name}", "team": "approvers of team {name}", "person": "{name}"}
EXAMPLES = (*FIXED, "group:security", "team:payments", "person:mira")
_NAMED = re.compile(r"(group|team|person):([\w.@+ -]{1,150})")
OR = " or "
"""Between those who are asked as one."""


class UnknownGroup(ValueError):
    """Nobody is called that; the text says who is."""


@dataclass(frozen=True)
class Group:
    """`kind` is one of `FIXED`, or `group`, `team` or `person` with a `name`."""

    kind: str
    name: str = ""


def parse(of: str) -> Group:
    """Raises `UnknownGroup`."""
    if of in FIXED:
        return Group(of)
    if (match := _NAMED.fullmatch(of)) and OR not in of:
        return Group(match[1], match[2])
    close = difflib.get_close_matches(of, EXAMPLES, n=1, cutoff=0.6)
    raise UnknownGroup(
        f"nobody is called {of!r}. " + (f"Did you mean {close[0]}?" if close else f"Known: {', '.join(EXAMPLES)}.")
    )


def parts(of: str) -> list[Group]:
    """Those who are asked as one, one by one."""
    return [parse(each) for each in of.split(OR)]


def describe(of: str, *, team: str, service: str) -> str:
    """In a sentence: "approvers of team payments or members of group sre"."""
    words = (FIXED.get(group.kind) or NAMED[group.kind] for group in parts(of))
    return OR.join(
        text.format(team=team, service=service, name=group.name) for text, group in zip(words, parts(of), strict=True)
    )
