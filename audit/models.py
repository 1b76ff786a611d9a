"""The table of the audit record. Read it through `queries`, write it through `writer.record`, change it never.

The application's database role may INSERT the payload columns and SELECT, nothing else (`portal/database.py` grants it): `id`,
`at` and `txid` come from Postgres, so they cannot be forged. `Event.objects.create()` therefore fails by design.
"""

from django.db import models
from django.db.models.functions import Now

from .events import ActorKind


class TransactionId(models.Field):  # type: ignore[type-arg]  # a column type without a Python counterpart
    """`xid8`: lets a sealer tell rows of finished transactions from rows that may still appear."""

    def db_type(self, connection: object) -> str:
        return "xid8"


class CurrentTransactionId(models.Func):
    function = "pg_current_xact_id"
    output_field = TransactionId()


class EventRow(models.Model):
    at = models.DateTimeField(db_default=Now())
    txid = TransactionId(db_default=CurrentTransactionId())
    verb = models.CharField(max_length=64)
    actor_kind = models.CharField(max_length=16, choices=[(kind.value, kind.value) for kind in ActorKind])
    actor = models.CharField(max_length=200)
    actor_id = models.BigIntegerField(null=True)
    request_id = models.BigIntegerField(null=True)
    execution_id = models.BigIntegerField(null=True)
    action = models.CharField(max_length=64)
    service = models.CharField(max_length=253)
    environment = models.CharField(max_length=63)
    target = models.CharField(max_length=400)
    summary = models.TextField()
    correlation = models.CharField(max_length=64)
    text = models.TextField(help_text="The RFC 8785 text that is hashed and exported, never jsonb")

    class Meta:
        db_table = "audit_event"
        verbose_name = "event"
        ordering = ["-at", "-id"]
        indexes = [
            models.Index(fields=["-at", "-id"], name="audit_event_page"),
            models.Index(fields=["request_id", "id"], name="audit_event_request"),
            models.Index(fields=["service", "-at", "-id"], name="audit_event_service"),
            models.Index(fields=["actor", "-at", "-id"], name="audit_event_actor"),
            models.Index(fields=["action", "-at", "-id"], name="audit_event_action"),
            models.Index(fields=["verb", "-at", "-id"], name="audit_event_verb"),
            models.Index(fields=["environment", "-at", "-id"], name="audit_event_environment"),
            models.Index(fields=["txid", "id"], name="audit_event_follow"),
        ]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S} {self.actor} {self.verb}"
