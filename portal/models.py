"""Personal API tokens: what lets a script or another tool act as the person who made it, and no further than they said.

The token itself is shown once and is nowhere here. A row keeps its SHA-256, which is enough to recognise 256 random bits and too
little to make them again.
"""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from .notices.models import Delivery, Follower, Notice, Preference, SlackLink, Webhook

__all__ = ["ApiToken", "Delivery", "Follower", "Notice", "Preference", "Scope", "SlackLink", "Webhook"]
"""Those of the notices have a module of their own; Django looks for models here."""


class Scope(models.TextChoices):
    """What a token may do of what its person may do. Nothing implies anything else."""

    READ = "read", "See services, requests and plans"
    REQUEST = "request", "Ask for actions; withdraw, cancel and undo"
    APPROVE = "approve", "Vote on requests, and say what is true of an unclear run"
    AUDIT = "audit", "Read and export the audit record"
    DUTY = "duty", "Say who is on call, and which incidents are open"


class ApiToken(models.Model):
    """`hint` is the beginning of the token: people recognise it by that, and so do we before comparing digests."""

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="api_tokens")
    name = models.CharField(max_length=100)
    hint = models.CharField(max_length=12, db_index=True)
    digest = models.CharField(max_length=64, unique=True)
    scopes = ArrayField(models.CharField(max_length=16, choices=Scope.choices))
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)
    revoked_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created_at", "-id"]

    def __str__(self) -> str:
        return f"{self.name} ({self.hint}…)"
