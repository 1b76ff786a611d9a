"""The approvals a request needs, frozen when it was made, and each person's decision on one digest."""

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.db import models


class Round(models.Model):
    """One question to approvers. What is required, and of whom, never changes after it was asked."""

    class State(models.TextChoices):
        OPEN = "open"
        APPROVED = "approved"
        REJECTED = "rejected"
        CLOSED = "closed"

    digest = models.CharField(max_length=64)
    requester_identity = models.BigIntegerField()
    requirements = models.JSONField(help_text='[{"rule", "count", "of", "people": [{"identity", "username", "name"}]}]')
    candidates = models.JSONField(help_text="Identities that may decide, flat, for the queue's index")
    state = models.CharField(max_length=16, choices=State.choices, default=State.OPEN)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()

    class Meta:
        indexes = [
            GinIndex(
                fields=["candidates"],
                opclasses=["jsonb_path_ops"],
                condition=models.Q(state="open"),
                name="round_open_candidates",
            )
        ]

    def __str__(self) -> str:
        return f"Round {self.pk} on {self.digest[:8]}"


class Vote(models.Model):
    class Decision(models.TextChoices):
        APPROVE = "approve"
        REJECT = "reject"

    round = models.ForeignKey(Round, on_delete=models.PROTECT, related_name="votes")
    voter = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="votes")
    identity = models.BigIntegerField()
    decision = models.CharField(max_length=16, choices=Decision.choices)
    digest = models.CharField(max_length=64)
    note = models.TextField(blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["at", "id"]
        constraints = [models.UniqueConstraint(fields=["round", "identity"], name="vote_once_per_human")]

    def __str__(self) -> str:
        return f"{self.voter_id} {self.decision} {self.digest[:8]}"
