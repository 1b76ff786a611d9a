"""Who is meant by the names that policies use, for one service at one moment; and whether what somebody was asked as still holds.

A requirement freezes people, and people change: they leave a team, go on leave, have somebody stand in. So both who can answer now and
whose answer counts are looked up here, when it matters.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Q, QuerySet
from guardian.shortcuts import get_objects_for_user, get_users_with_perms

from approvals import absences, groups
from approvals.facts import Approver
from approvals.models import Absence, Round, Vote
from approvals.rulings import Requirement
from approvals.services import Voter, counted, requirements_of
from inventory import on_call
from inventory import queries as inventory
from inventory.models import Person, Service, Team

OWN = "own_service"


def people_for(named: Iterable[str], service: Service, at: datetime) -> dict[str, tuple[Approver, ...]]:
    """Everybody who is meant by each name, one account per human: who is on call first, who is away last, then by name."""
    members = {of: _members(of, service, at) for of in named}
    everybody = {person.pk for people in members.values() for person in people}
    away = absences.away_at(at, everybody)
    called = {person.identity for person in on_call.on_call_now(service.team, at)} if service.team else set()
    return {of: _approvers(people, away, called) for of, people in members.items()}


def _approvers(people: Iterable[Person], away: dict[int, Absence], called: set[int]) -> tuple[Approver, ...]:
    found = [
        Approver(
            person.identity, person.username, person.name, on_call=person.identity in called,
            away_until=away[person.pk].ends_at.isoformat() if person.pk in away else "",
        )
        for person in people
    ]  # fmt: skip
    return tuple(sorted(found, key=lambda each: (not each.on_call, bool(each.away_until), each.name.casefold())))


def _members(of: str, service: Service, at: datetime) -> list[Person]:
    rows = [person for group in groups.parts(of) for person in _of_group(group, service, at)]
    return list({person.identity: person for person in sorted(rows, key=lambda each: -each.pk)}.values())


def _of_group(group: groups.Group, service: Service, at: datetime) -> Iterable[Person]:
    team = service.team
    if group.kind == groups.OWNING_TEAM_APPROVERS:
        return inventory.approvers_of(team)
    if group.kind == groups.ON_CALL:
        return on_call.on_call_now(team, at) if team else []
    if group.kind == groups.SERVICE_OWNERS:
        return _active(Q(pk__in=get_users_with_perms(service, only_with_perms_in=[OWN], with_group_users=True)))
    if group.kind == "team":
        return inventory.approvers_of(Team.objects.filter(slug=group.name).first())
    wanted = {
        groups.OWNING_TEAM: Q(groups=team.group_id) if team else Q(pk__in=[]),
        groups.ADMINISTRATORS: Q(is_superuser=True),
        "group": Q(groups__name=group.name),
        "person": Q(username=group.name),
    }
    return _active(wanted[group.kind])


def _active(wanted: Q) -> QuerySet[Person]:
    return Person.objects.filter(wanted, is_active=True).select_related("same_person_as").distinct()


@dataclass(frozen=True)
class Eligibility:
    """What one account is, looked up once for many questions. What a person may do with their other account, they do from there."""

    person: Person
    group_ids: frozenset[int]
    group_names: frozenset[str]
    owned: frozenset[int]

    def fits(self, of: str, service: Service) -> bool:
        """Whether somebody who was asked as this is it still. Who was on call when it was asked may be off by now: the team stays."""
        return self.person.is_active and any(self._is(group, service) for group in groups.parts(of))

    def holds(self, need: Requirement, service: Service) -> bool:
        later = need.escalation
        return self.fits(need.of, service) or (later is not None and self.fits(later.of, service))

    def _is(self, group: groups.Group, service: Service) -> bool:
        team = service.team
        if group.kind == groups.ADMINISTRATORS:
            return self.person.is_superuser
        if group.kind == groups.SERVICE_OWNERS:
            return service.pk in self.owned
        if group.kind == "group":
            return group.name in self.group_names
        if group.kind == "person":
            return self.person.username == group.name
        if group.kind == "team":
            team = Team.objects.filter(slug=group.name).first()
        if team is None:
            return False
        approver, member = team.approvers_id in self.group_ids, team.group_id in self.group_ids
        wanted = {groups.OWNING_TEAM: member, groups.ON_CALL: member or approver}
        return wanted.get(group.kind, approver)


def eligibility_of(person: Person) -> Eligibility:
    mine = list(person.groups.values_list("pk", "name"))
    owned = get_objects_for_user(person, f"inventory.{OWN}", Service, with_superuser=False, accept_global_perms=False)
    return Eligibility(
        person, frozenset(pk for pk, _ in mine), frozenset(name for _, name in mine),
        frozenset(owned.values_list("pk", flat=True)),
    )  # fmt: skip


def voter_of(person: Person, asked: Round, service: Service, at: datetime) -> Voter:
    """What the vote of this account can count as now: its own place, and those of whom it stands in for, if these still hold."""
    needs = requirements_of(asked)
    instead = {
        absent.identity
        for absent in Person.objects.filter(pk__in=absences.stand_in_for([person.pk], at)).select_related(
            "same_person_as"
        )
        if person.is_active and still_asked(absent, absent.identity, needs, service)
    }
    return Voter(
        person.pk,
        person.identity,
        person.name,
        still_asked(person, person.identity, needs, service),
        frozenset(instead),
    )


def still_asked(account: Person, identity: int, needs: Iterable[Requirement], service: Service) -> bool:
    """Whether the account is still what some requirement asked that human as."""
    mine = [need for need in needs if any(each.identity == identity for each in need.people)]
    if not mine:
        return False
    eligible = eligibility_of(account)
    return any(eligible.holds(need, service) for need in mine)


def still_holds(vote: Vote, asked: Round, service: Service) -> bool:
    """Whether a vote that was cast counts still: whose place it fills may decide, and whoever cast it has an account."""
    if not vote.voter.is_active:
        return False
    needs, authority = requirements_of(asked), counted(vote).authority
    if vote.instead_of is None:
        return still_asked(vote.voter, authority, needs, service)
    accounts = Person.objects.filter(Q(pk=authority) | Q(same_person_as=authority), is_active=True)
    return any(still_asked(account, authority, needs, service) for account in accounts)
