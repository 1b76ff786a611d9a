"""Who is meant by the names that policies use, for one service at one moment; and whether what somebody was asked as still holds.

A requirement freezes people, and people change: they leave a team, go on leave, have somebody stand in. So both who can answer now and
whose answer counts are looked up here, when it matters.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from django.db.models import Q, QuerySet
from guardian.shortcuts import get_objects_for_user, get_users_with_perms

from approvals import absences, groups
from approvals.facts import Approver
from approvals.models import Absence, Round, Vote
from approvals.queries import requirements_of
from approvals.rulings import Requirement, requirement_from
from approvals.services import Standing, Voter, counted
from inventory import on_call
from inventory import queries as inventory
from inventory.models import Person, Service, Team

OWN = "own_service"


def people_for(
    named: Iterable[str], service: Service, at: datetime, shift: Iterable[Person]
) -> dict[str, tuple[Approver, ...]]:
    """Everybody who is meant by each name, one account per human: who is on call first, who is away last, then by name.

    `shift` is who is on call for the service's team at that time.
    """
    members = {of: _members(of, service, at) for of in named}
    everybody = {person.pk for people in members.values() for person in people}
    away = absences.away_at(at, everybody)
    called = {person.identity for person in shift}
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
    approves_for: frozenset[str]
    owned: frozenset[int]

    def fits(self, of: str, service: Service | None) -> bool:
        """Whether somebody who was asked as this is it still. Who was on call when it was asked may be off by now: the team stays."""
        return self.person.is_active and any(self._is(group, service) for group in groups.parts(of))

    def _is(self, group: groups.Group, service: Service | None) -> bool:
        team = service.team if service else None
        if group.kind == groups.ADMINISTRATORS:
            return self.person.is_superuser
        if group.kind == groups.SERVICE_OWNERS:
            return service is not None and service.pk in self.owned
        if group.kind == "group":
            return group.name in self.group_names
        if group.kind == "person":
            return self.person.username == group.name
        if group.kind == "team":
            return group.name in self.approves_for
        if team is None:
            return False
        approver, member = team.approvers_id in self.group_ids, team.group_id in self.group_ids
        wanted = {groups.OWNING_TEAM: member, groups.ON_CALL: member or approver}
        return wanted.get(group.kind, approver)


def eligibility_of(person: Person) -> Eligibility:
    mine = list(person.groups.values_list("pk", "name", "approves_for__slug"))
    owned = get_objects_for_user(person, f"inventory.{OWN}", Service, with_superuser=False, accept_global_perms=False)
    return Eligibility(
        person, frozenset(pk for pk, _, _ in mine), frozenset(name for _, name, _ in mine),
        frozenset(slug for _, _, slug in mine if slug), frozenset(owned.values_list("pk", flat=True)),
    )  # fmt: skip


def voter_of(person: Person, at: datetime) -> Voter:
    """Who decides with this account, and in whose place they may while these are away."""
    away = inventory.identities_of(absences.stand_in_for([person.pk], at))
    instead_of = {account: human for account, human in away.items() if human != person.identity}
    return Voter(person.pk, person.identity, person.name, instead_of)


def standing_of(asked: Round, service: Service | None, voter: Voter | None = None) -> Standing:
    """How a round stands now, also for somebody who may be about to vote. Whoever voted or might is looked up; for others nobody asks."""
    votes = list(asked.votes.select_related("voter__same_person_as__same_person_as"))
    then = [person for need in requirements_of(asked) for person in need.people]
    known = inventory.identities_of(
        {
            asked.requester_identity,
            *(each.identity for each in then),
            *(each.instead_of for each in votes if each.instead_of),
        }
    )
    counting = [
        replace(counted(vote), identity=vote.voter.identity, instead_of=known.get(vote.instead_of or 0))
        for vote in votes
        if vote.voter.is_active
    ]
    accounts = _accounts(votes, known, voter)
    eligible = {human: [eligibility_of(each) for each in them] for human, them in accounts.items()}
    needs = tuple(_still(asked, known, eligible, service))
    holding = {person.identity for need in needs for person in need.people}
    return Standing(
        requester=known.get(asked.requester_identity, asked.requester_identity),
        asked={known.get(each.identity, each.identity): each.name for each in then},
        needs=needs,
        votes=tuple(vote for vote in counting if vote.authority in holding),
        voters=frozenset(vote.voter.identity for vote in votes),
        known=known,
    )


def _accounts(votes: Iterable[Vote], known: Mapping[int, int], voter: Voter | None) -> dict[int, list[Person]]:
    """With what they decide: whoever votes, the account they do it with; whoever is stood in for, those that are away."""
    found: dict[int, list[Person]] = {}
    away = set[int]()
    if voter is not None:
        away |= {voter.account, *voter.instead_of}
        found |= {human: [] for human in voter.instead_of.values()}
    for vote in votes:
        if vote.instead_of is None:
            found.setdefault(vote.voter.identity, []).append(vote.voter)
        else:
            away |= set(vote.accounts_away)
            found.setdefault(known.get(vote.instead_of, vote.instead_of), [])
    for each in Person.objects.filter(pk__in=away).select_related("same_person_as__same_person_as") if away else ():
        found.setdefault(each.identity, []).append(each)
    return found


def _still(
    asked: Round, known: Mapping[int, int], eligible: Mapping[int, Sequence[Eligibility]], service: Service | None
) -> Iterator[Requirement]:
    """The requirements, without those of the people looked up who are not what they were asked as any more: each on its own, so that
    whoever left one group does not fill its place because of another.
    """
    for need in map(requirement_from, asked.requirements):
        groups_asked = [(need.of, need.people)]
        if need.escalation and need.escalation.after_minutes <= asked.escalated_minutes:
            groups_asked.append((need.escalation.of, need.escalation.people))
        people: dict[int, Approver] = {}
        for of, group in groups_asked:
            for person in group:
                human = known.get(person.identity, person.identity)
                if human not in eligible or any(each.fits(of, service) for each in eligible[human]):
                    people.setdefault(human, replace(person, identity=human))
        yield replace(need, people=tuple(people.values()))
