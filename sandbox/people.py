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


PEOPLE = (
    Person("mira", "Mira Novak", "developer in payments", team="payments"),
    Person("tomas", "Tomáš Černý", "developer in payments", team="payments"),
    Person("jonas", "Jonas Lindqvist", "approver in payments", team="payments", approves=True),
    Person("ines", "Inês Carvalho", "approver in payments", team="payments", approves=True),
    Person("leila", "Leila Haddad", "developer in storefront", team="storefront"),
    Person("zoe", "Zoë Vermeer", "approver in storefront", team="storefront", approves=True),
    Person("noor", "Noor Aziz", "developer in platform", team="platform"),
    Person("priya", "Priya Raman", "approver in platform", team="platform", approves=True),
    Person("kofi", "Kofi Mensah", "administrator", staff=True),
    Person("edda", "Edda Þórsdóttir", "auditor", audits=True),
)
