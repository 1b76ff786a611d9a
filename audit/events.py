"""The vocabulary of the audit record: who can act, and every verb that may be written.

A verb that is not in `VERBS` cannot be recorded, so the list an auditor filters by is the list there is.
"""

from dataclasses import dataclass, field
from enum import StrEnum

VERBS: dict[str, str] = {
    "plan.refused": "A plan could not be made when somebody asked for it",
    "request.submitted": "Somebody asked for an action on a target, with a plan",
    "policy.ruled": "The policy answered",
    "policy.adopted": "Another policy decides from now on",
    "policy.proposed": "The policy files hold something else, and administrators have to agree before it decides",
    "policy.rejected": "An administrator refused a proposed policy",
    "policy.withdrawn": "A proposed policy is asked about no more: the files hold something else",
    "request.denied": "The policy refused the request at the door",
    "request.approved": "Everybody who had to agree has agreed, or nobody had to be asked",
    "request.rejected": "An approver said no",
    "request.expired": "Nobody answered in time",
    "request.withdrawn": "The requester took it back",
    "request.stale": "What would happen is no longer what was agreed; nothing has run",
    "request.escalated": "Nobody had answered in time, so others are asked too",
    "request.claimed": "Somebody who can decide said that they are looking at it",
    "request.released": "They said that they are not looking at it any more",
    "request.superseded": "Its requester wants less instead, as an approver proposed; the new request takes its place",
    "proposal.made": "An approver would rather agree to less, and says to what",
    "proposal.confirmed": "The requester wants that instead",
    "proposal.declined": "The requester keeps to what was asked",
    "proposal.closed": "A proposal came to nothing: another one was made, or the request was decided",
    "vote.cast": "An approver decided about one digest",
    "vote.refused": "Somebody's vote did not count, and why",
    "execution.queued": "A run of an approved plan was put in line",
    "execution.brought_forward": "A run that was for later is to begin at once",
    "execution.started": "A worker took the run",
    "execution.waiting": "The run waits for something it named",
    "execution.resumed": "The run goes on after a wait",
    "execution.cancel_requested": "Somebody asked to stop the run",
    "plan.confirmed": "The plan was made again before acting, and is the approved one",
    "step.intended": "A step is about to happen",
    "step.succeeded": "A step happened, and was read back",
    "step.failed": "A step was refused; nothing changed by it",
    "step.unknown": "A step got no answer; it is read back before anything else",
    "verification.started": "Observation of the result began",
    "verification.failed": "Reality disagrees with the plan",
    "revert.started": "The inverse of the plan begins",
    "execution.succeeded": "The run ended: verified",
    "execution.reverted": "The run ended: taken back, or a task stopped, and verified so",
    "execution.failed": "The run ended: nothing changed",
    "execution.cancelled": "The run ended before anything changed",
    "execution.needs_human": "The run cannot know; a person has to look",
    "execution.resolved": "A person looked, and said what is true",
    "execution.overdue": "A run is late; this is the alarm",
    "access.activated": "The requester said that the agreed access may begin",
    "grant.started": "Access, or a temporary change, began; it ends by itself",
    "grant.given_back": "Somebody ended a grant before its time",
    "grant.ending": "A grant's time is over, and what it gave is being taken away",
    "grant.still_there": "The end of a grant failed; it is tried again",
    "grant.ended": "What a grant gave is gone",
    "grant.overdue": "A grant should have ended and has not; this is the alarm",
    "credential.handed_over": "A credential was made for the person who asked, to be seen once",
    "credential.revealed": "The person opened the credential, or tried to; it opens once",
    "glass.broken": "Somebody acted before anybody agreed, as the policy lets them; it is reviewed afterwards",
    "debt.settled": "Somebody else reviewed what was done by breaking glass",
    "debt.overdue": "Nobody has reviewed in time what was done by breaking glass; this is the alarm",
    "value.supplied": "Somebody handed in a value for a secret; the record does not hold it",
    "access.refused": "Somebody tried what they may not do",
    "export.made": "Somebody exported part of this record",
    "token.created": "A personal API token was made",
    "token.revoked": "A personal API token was taken back",
    "cluster.unreachable": "A cluster stopped answering",
    "cluster.reachable": "A cluster answers again",
    "vault.unreachable": "A vault stopped answering",
    "vault.reachable": "A vault answers again",
    "service.discovered": "A service was seen for the first time",
    "service.imported": "A service was taken from a catalog file",
    "service.owner_changed": "A service got an owner, or another one",
    "shift.added": "Somebody was put on call for a team",
    "shift.removed": "Somebody was taken off call, or their shift ended early",
    "incident.opened": "An incident of a service was reported",
    "incident.updated": "What is known of an open incident changed",
    "incident.closed": "An incident is over",
    "absence.announced": "Somebody said that they will be away, and who stands in",
    "absence.ended": "Somebody is back before the time",
    "team.created": "A team was made, with nobody in it yet",
    "team.renamed": "A team is called something else",
    "notices.chosen": "Somebody chose what reaches them by which way, and how often",
    "slack.linked": "Somebody said that a member of a Slack workspace is them",
    "slack.unlinked": "Somebody took that back",
    "webhook.set": "Somebody has their notices posted to a host",
    "webhook.removed": "Somebody has their notices posted nowhere any more",
    "notice.undeliverable": "A message to somebody was given up",
    "session.started": "Somebody signed in",
    "session.refused": "Somebody could not sign in",
}


class ActorKind(StrEnum):
    PERSON = "person"
    WORKER = "worker"
    SYSTEM = "system"


@dataclass(frozen=True)
class Actor:
    """Who did it, as text: the row must read the same after the account is renamed or gone."""

    kind: ActorKind
    name: str
    id: int | None = None


SYSTEM = Actor(ActorKind.SYSTEM, "Afterdeck")


@dataclass(frozen=True)
class About:
    """What an event is about; every field is searchable."""

    request: int | None = None
    execution: int | None = None
    action: str = ""
    service: str = ""
    environment: str = ""
    target: str = ""


@dataclass(frozen=True)
class Event:
    """One row of the record before it is written. `details` must be JSON, without secret values."""

    verb: str
    actor: Actor
    summary: str
    about: About = field(default_factory=About)
    details: dict[str, object] = field(default_factory=dict)
