"""Policies and facts of the tests, written as short as they are meant."""

from dataclasses import replace
from typing import Any

from approvals import policy
from approvals.facts import ActionFacts, Approver, Facts
from approvals.loader import Policy, load_texts
from approvals.rulings import Ruling
from approvals.trials import PLAIN

MIRA, JONAS, INES, KOFI = (
    Approver(number, name.lower(), name) for number, name in enumerate(("Mira", "Jonas", "Ines", "Kofi"), 1)
)
OWNER = replace(
    PLAIN,
    action=ActionFacts("resize-workload", 2),
    people={"owning-team-approvers": (MIRA, JONAS, INES), "administrators": (KOFI,)},
)
"""Mira, who asks; she is an approver herself, which never helps her."""

APPROVER = "needs: {count: 1, of: owning-team-approvers}"
OVERRIDABLE = "deny: true, override: {count: 1, of: administrators}"


def written(*rules: str) -> Policy:
    """`id: effect` a rule, with `when` true and some reason unless it has its own; whatever begins with a dash is taken as it is."""
    texts = []
    for rule in rules:
        name, _, effect = rule.partition(": ")
        when = "" if "when:" in effect else 'when: "true", '
        because = "" if "because:" in effect else ", because: Because."
        texts.append(rule if rule.startswith("-") else f"- {{id: {name}, {when}{effect}{because}}}")
    return load_texts({"policy.yaml": "\n".join(texts)})


def asked(rules: Policy, facts: Facts = OWNER, **terms: Any) -> Ruling:
    return policy.evaluate(facts, rules, **terms)
