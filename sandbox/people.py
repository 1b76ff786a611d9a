"""The people of the demo, as the logins that `make demo` prints and the ones that the seed makes."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Person:
    username: str
    name: str
    part: str  # what they may do, in words
    team: str | None = None
    approves: bool = False
    staff: bool = False
    audits: bool = False
    also: str = ""
    """The username of the same human's first account."""


SECOND_ACCOUNT = "mira-admin"

PEOPLE = (
    Person("mira", "Mira Novak", "developer in payments", team="payments"),
    Person(
        SECOND_ACCOUNT,
        "Mira Novak (admin)",
        "Mira's other account: approves in payments, never what she asks for",
        "payments",
        approves=True,
        also="mira",
    ),
    Person("tomas", "Tomáš Černý", "developer in payments", team="payments"),
    Person("jonas", "Jonas Lindqvist", "approver in payments, on call", team="payments", approves=True),
    Person("ines", "Inês Carvalho", "approver in payments, away for two days", team="payments", approves=True),
    Person("leila", "Leila Haddad", "developer in storefront, may ask for Checkout API too", team="storefront"),
    Person("zoe", "Zoë Vermeer", "approver in storefront", team="storefront", approves=True),
    Person("noor", "Noor Aziz", "developer in platform", team="platform"),
    Person("priya", "Priya Raman", "approver in platform", team="platform", approves=True),
    Person("kofi", "Kofi Mensah", "administrator: nodes, policy, incidents, on call", staff=True),
    Person("edda", "Edda Þórsdóttir", "auditor: sees everything, changes nothing", audits=True),
)


@dataclass(frozen=True)
class Duty:
    """On call from so many hours ago for so many hours, by username."""

    team: str
    username: str
    from_hours: int
    hours: int


DUTIES = (
    Duty("payments", "jonas", -8, 72),
    Duty("payments", "ines", 64, 168),
    Duty("storefront", "zoe", -30, 168),
    Duty("platform", "noor", -2, 12),
    Duty("platform", "priya", 10, 12),
)
"""Who is on call in the demo, seen from the moment it is made."""

INCIDENT = ("INC-2231", "Ledger: two of three replicas hold connections to the old database primary", ("ledger",))
"""Open in the demo, so that who is on call for it can act: its reference, its title, its services."""

AWAY = ("ines", "jonas", "At a conference until the day after tomorrow")
"""Who is out of office in the demo, who stands in, and what the note says."""
AWAY_HOURS = 48
