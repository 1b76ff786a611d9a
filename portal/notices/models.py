"""What somebody was told, what goes out to them by which way, and what they chose.

A notice is a line of their inbox: one for each event and person, by a constraint of the table. A delivery is one message outside;
it gathers notices while it waits for its turn, so that a flood of events is one message.
"""

from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models


class Kind(models.TextChoices):
    DECIDE = "decide", "I am asked to decide"
    ANSWER = "answer", "My request was decided, or went stale"
    PROPOSAL = "proposal", "Somebody would agree to less, or my proposal was answered"
    ENDED = "ended", "My run or my access ended"
    TROUBLE = "trouble", "A run or a grant needs a person"
    BREAK_GLASS = "break-glass", "Somebody broke glass"
    DEBT = "debt", "A review after breaking glass is due"
    STAND_IN = "stand-in", "I stand in for somebody"
    POLICY = "policy", "The policy changes"


class Channel(models.TextChoices):
    EMAIL = "email", "E-mail"
    SLACK = "slack", "Slack"
    WEBHOOK = "webhook", "Webhook"


def everything() -> list[str]:
    return [kind.value for kind in Kind]


def what_cannot_wait() -> list[str]:
    """What is mailed to somebody who chose nothing: all but what went as it should."""
    return [kind.value for kind in Kind if kind is not Kind.ENDED]


class Follower(models.Model):
    """How far the record was read. Whoever holds the row reads on; nobody else does meanwhile."""

    name = models.CharField(max_length=32, unique=True)
    txid = models.BigIntegerField()
    event_id = models.BigIntegerField()

    def __str__(self) -> str:
        return f"{self.name} at {self.event_id}"


class Notice(models.Model):
    event_id = models.BigIntegerField()
    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="notices")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    text = models.CharField(
        max_length=300, help_text="One line. No plan, no reason, no value: those are behind the link"
    )
    path = models.CharField(max_length=200, help_text="The page it is about")
    request_id = models.BigIntegerField(null=True)
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-at", "-id"]
        constraints = [models.UniqueConstraint(fields=["event_id", "person"], name="notice_once_per_event_and_person")]
        indexes = [
            models.Index(fields=["person", "-at", "-id"], name="notice_page"),
            models.Index(fields=["person"], condition=models.Q(read_at=None), name="notice_unread"),
            models.Index(fields=["request_id", "person"], condition=models.Q(kind="decide"), name="notice_asked"),
            models.Index(fields=["at"], name="notice_old"),
        ]

    def __str__(self) -> str:
        return self.text


class Delivery(models.Model):
    """One message. `id_outside` stays the same over all tries, so that a receiver can tell a repetition.

    `due_at` is when it is sent, when it is tried again, and, while somebody has it in hand, until when.
    """

    class Stage(models.TextChoices):
        GATHERING = "gathering", "Waiting"
        SENDING = "sending", "Being sent"
        SENT = "sent", "Sent"
        DROPPED = "dropped", "Not needed any more"
        DEAD = "dead", "Given up"

    person = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="deliveries")
    channel = models.CharField(max_length=16, choices=Channel.choices)
    notices = models.ManyToManyField(Notice, related_name="deliveries")
    id_outside = models.UUIDField(default=uuid4, unique=True, editable=False)
    stage = models.CharField(max_length=16, choices=Stage.choices, default=Stage.GATHERING)
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    insisted = models.BooleanField(default=False, help_text="Its person wants it, whatever they have read meanwhile")
    problem = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-at", "-id"]
        verbose_name_plural = "deliveries"
        constraints = [
            models.UniqueConstraint(
                fields=["person", "channel"], condition=models.Q(stage="gathering"), name="delivery_one_gathers"
            )
        ]
        indexes = [
            models.Index(
                fields=["due_at"], condition=models.Q(stage__in=["gathering", "sending"]), name="delivery_due"
            ),
            models.Index(fields=["person", "-at"], name="delivery_of_person"),
            models.Index(fields=["ended_at"], name="delivery_old"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} to {self.person_id}, {self.stage}"


class Preference(models.Model):
    """What reaches a person elsewhere; the inbox has everything. Whoever has no row has these defaults."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="preference")
    email = ArrayField(models.CharField(max_length=16), default=what_cannot_wait)
    slack = ArrayField(models.CharField(max_length=16), default=everything)
    webhook = ArrayField(models.CharField(max_length=16), default=everything)
    every_minutes = models.PositiveSmallIntegerField(default=5, help_text="At most one message in so many, by each way")

    def __str__(self) -> str:
        return f"Preference of {self.person_id}"


class SlackLink(models.Model):
    """That a member of a workspace is a person here, which both of them have said."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="slack_link")
    team = models.CharField(max_length=32)
    user = models.CharField(max_length=32)
    name = models.CharField(max_length=120)
    linked_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["team", "user"], name="slack_member_is_one_person")]

    def __str__(self) -> str:
        return f"{self.name} in {self.team}"


class Webhook(models.Model):
    """Where a person's notices are posted. There is no column for its secret: it follows from `salt` and the key of the portal."""

    person = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="webhook")
    url = models.CharField(max_length=500)
    salt = models.UUIDField(default=uuid4)
    set_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.url
