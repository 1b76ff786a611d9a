"""The approvals a request needs, frozen when it was made, each person's decision on one digest, who stands in for whom, and every policy
that ever decided.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models


class Round(models.Model):
    """One question to people. What is required, and of whom, never changes after it was asked; whom it goes to later neither."""

    class State(models.TextChoices):
        OPEN = "open"
        APPROVED = "approved"
        REJECTED = "rejected"
        CLOSED = "closed"

    class Kind(models.TextChoices):
        APPROVAL = "approval"
        REVIEW = "review"  # of what was done already, by breaking glass
        POLICY = "policy"  # of a new policy

    kind = models.CharField(max_length=16, choices=Kind.choices, default=Kind.APPROVAL)
    digest = models.CharField(max_length=64)
    requester_identity = models.BigIntegerField()
    requirements = models.JSONField(
        help_text='[{"rule", "count", "of", "people": [{"identity", "username", "name"}], "escalation"}]'
    )
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    escalates_at = models.DateTimeField(null=True, help_text="When the next of those who are asked later are asked")
    escalated_minutes = models.PositiveIntegerField(
        default=0, help_text="Whoever is asked after so many minutes or fewer is asked by now"
    )
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="claimed_rounds"
    )
    claimed_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["escalates_at"], condition=models.Q(state="open"), name="round_escalation"),
            models.Index(fields=["expires_at"], condition=models.Q(state="open"), name="round_expiry"),
        ]

    def __str__(self) -> str:
        return f"Round {self.pk} on {self.digest[:8]}"


class Asked(models.Model):
    """That a human was asked in a round: a row of their queue, so that a page of it is one walk along one index.

    `risk` and `at` are the request's. `open` until they or the round decided.
    """

    round = models.ForeignKey(Round, on_delete=models.CASCADE, related_name="asked")
    identity = models.BigIntegerField()
    kind = models.CharField(max_length=16, choices=Round.Kind.choices, default=Round.Kind.APPROVAL)
    risk = models.PositiveSmallIntegerField(default=1)
    at = models.DateTimeField()
    open = models.BooleanField(default=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["round", "identity"], name="asked_once_per_human")]
        indexes = [
            models.Index(
                fields=["identity", "kind", "-risk", "at", "round"], condition=models.Q(open=True), name="asked_queue"
            )
        ]

    def __str__(self) -> str:
        return f"{self.identity} about round {self.round_id}"


class Vote(models.Model):
    """`looked_seconds` is how long the page with the plan was open before; empty when we cannot know, as from the API."""

    class Decision(models.TextChoices):
        APPROVE = "approve"
        REJECT = "reject"

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="votes")
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="votes")
    identity = models.BigIntegerField()
    instead_of = models.BigIntegerField(null=True, help_text="The human the voter stood in for")
    accounts_away = ArrayField(
        models.BigIntegerField(),
        default=list,
        help_text="Which of that human's accounts: what another one may decide, it does itself",
    )
    decision = models.CharField(max_length=16, choices=Decision.choices)
    digest = models.CharField(max_length=64)
    note = models.TextField(blank=True)
    at = models.DateTimeField()
    entrance = models.CharField(max_length=32, default="browser")
    looked_seconds = models.PositiveIntegerField(null=True)

    class Meta:
        ordering = ["at", "id"]
        constraints = [models.UniqueConstraint(fields=["round", "identity"], name="vote_once_per_human")]
        indexes = [models.Index(fields=["identity", "-at", "-id"], name="vote_by_human")]

    def __str__(self) -> str:
        return f"{self.voter_id} {self.decision} {self.digest[:8]}"


class Absence(models.Model):
    """Out of office: not counted among who can answer now, and, if so said, somebody stands in. It ends early by `ended_at`."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="absences")
    stand_in = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="standing_in"
    )
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    note = models.CharField(max_length=200, blank=True)

    class Meta:
        ordering = ["-starts_at", "-id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="absence_ends_later")
        ]
        indexes = [models.Index(fields=["ends_at"], condition=models.Q(ended_at=None), name="absence_current")]

    def __str__(self) -> str:
        return f"{self.person_id} until {self.ends_at:%Y-%m-%d}"


class PolicyVersion(models.Model):
    """A policy as it was read once, by its digest. Its files never change; which one decides does."""

    class State(models.TextChoices):
        PROPOSED = "proposed"
        ADOPTED = "adopted"
        RETIRED = "retired"
        REJECTED = "rejected"

    digest = models.CharField(max_length=64, unique=True)
    files = models.JSONField(help_text="Name to text")
    state = models.CharField(max_length=16, choices=State.choices)
    seen_at = models.DateTimeField()
    adopted_at = models.DateTimeField(null=True)
    retired_at = models.DateTimeField(null=True)
    round = models.OneToOneField(Round, null=True, on_delete=models.PROTECT, related_name="policy_version")

    class Meta:
        ordering = ["-seen_at", "-id"]
        constraints = [
            models.UniqueConstraint(fields=["state"], condition=models.Q(state="adopted"), name="policy_one_decides")
        ]

    def __str__(self) -> str:
        return f"Policy {self.digest[:8]}, {self.state}"
