"""A request, its run, the run's journal, and what a run leaves: holds on targets, proof, logs.

States change only through `lifecycle`. Plans are stored as the canonical text that was hashed, so that what an approver signed can
be read back byte by byte.
"""

from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models

from approvals.models import Round
from inventory.models import Environment, Incident, Node, Secret, Service, Workload

from .states import ExecutionState, GrantState, ProposalState, RequestState


class Request(models.Model):
    """Somebody wants an action on a target, with a reason."""

    action = models.CharField(max_length=64)
    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="requests")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="requests")
    workload = models.ForeignKey(Workload, null=True, on_delete=models.PROTECT, related_name="requests")
    secret = models.ForeignKey(Secret, null=True, on_delete=models.PROTECT, related_name="requests")
    node = models.ForeignKey(Node, null=True, on_delete=models.PROTECT, related_name="requests")
    target_key = models.CharField(max_length=128)
    target_label = models.CharField(max_length=400)
    params = models.JSONField()
    summary = models.CharField(max_length=400)
    reason = models.TextField()
    entrance = models.CharField(max_length=32)
    requester = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="requests")
    plan_text = models.TextField(help_text="RFC 8785 text; its SHA-256 is the digest")
    digest = models.CharField(max_length=64)
    impact = models.JSONField(default=list)
    ruling = models.JSONField()
    risk = models.PositiveSmallIntegerField()
    touches = ArrayField(
        models.CharField(max_length=400),
        default=list,
        help_text="Keys of targets and services, of a chain those of all parts: what the history of later ones looks for",
    )
    round = models.OneToOneField(Round, null=True, on_delete=models.PROTECT, related_name="request")
    state = models.CharField(max_length=32, choices=RequestState.choices)
    stale_plan_text = models.TextField(blank=True, help_text="The plan made just before acting, when it differed")
    undo_of = models.ForeignKey("self", null=True, on_delete=models.PROTECT, related_name="undone_by")
    ends = models.ForeignKey(
        "Grant",
        null=True,
        on_delete=models.PROTECT,
        related_name="endings",
        help_text="The grant that this request ends",
    )
    activated_at = models.DateTimeField(null=True, help_text="When the requester said that the agreed access may begin")
    created_at = models.DateTimeField()
    decided_at = models.DateTimeField(null=True)
    planned_in_ms = models.PositiveIntegerField(default=0)
    facts = models.JSONField(
        default=list,
        help_text="What the policy saw: of the whole, then of each part of a chain. Empty before it was kept",
    )
    ticket = models.CharField(max_length=200, blank=True, help_text="A reference to where the story is told, as given")
    incident = models.ForeignKey(Incident, null=True, on_delete=models.PROTECT, related_name="requests")
    not_before = models.DateTimeField(null=True, help_text="When it is to run, if not at once")
    overrides = models.BooleanField(default=False, help_text="Denials were to be set aside, as the policy allows")
    breaks_glass = models.BooleanField(default=False, help_text="It ran at once, and is reviewed afterwards")
    supersedes = models.OneToOneField(
        "self", null=True, on_delete=models.PROTECT, related_name="superseded_by",
        help_text="What was asked for first, when an approver would rather agree to less",
    )  # fmt: skip
    shape = models.CharField(
        max_length=64,
        blank=True,
        help_text="A digest of what changes without where: the same for the same change elsewhere",
    )
    submission_key = models.CharField(
        max_length=100,
        null=True,
        unique=True,
        help_text="One form or Idempotency-Key makes one request, however often it is sent",
    )

    class Meta:
        ordering = ["-created_at", "-id"]
        indexes = [
            models.Index(
                fields=["-risk", "created_at"], condition=models.Q(state="awaiting_approval"), name="request_open"
            ),
            models.Index(fields=["service", "-created_at", "-id"], name="request_by_service"),
            models.Index(fields=["requester", "-created_at", "-id"], name="request_by_requester"),
            models.Index(fields=["-created_at", "-id"], name="request_page"),
            models.Index(fields=["target_key", "-created_at"], name="request_by_target"),
            GinIndex(fields=["touches"], name="request_touches"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(workload=None, secret=None)
                | models.Q(workload=None, node=None)
                | models.Q(secret=None, node=None),
                name="request_one_target",
            )
        ]

    def __str__(self) -> str:
        return f"Request {self.pk}: {self.summary}"

    @property
    def row(self) -> Workload | Secret | Node | None:
        """The inventory's row of what it acts on."""
        return self.workload or self.secret or self.node


class Debt(models.Model):
    """What breaking glass leaves: somebody has to look at what was done. Until then the same human breaks none again."""

    request = models.OneToOneField(Request, on_delete=models.PROTECT, related_name="debt")
    round = models.OneToOneField(Round, on_delete=models.PROTECT, related_name="debt")
    identity = models.BigIntegerField()
    due_at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)
    accepted = models.BooleanField(null=True, help_text="Whether the reviewer found it right; either way it is settled")
    overdue_alarm_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [models.Index(fields=["identity"], condition=models.Q(settled_at=None), name="debt_open")]

    def __str__(self) -> str:
        return f"Debt of request {self.request_id}"


class Proposal(models.Model):
    """Less than what was asked for, which an approver would agree to: its plan and digest are signed, and the requester confirms or not."""

    request = models.ForeignKey(Request, on_delete=models.PROTECT, related_name="proposals")
    proposer = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="proposals")
    params = models.JSONField()
    plan_text = models.TextField()
    digest = models.CharField(max_length=64)
    note = models.TextField(blank=True)
    state = models.CharField(max_length=16, choices=ProposalState.choices, default=ProposalState.OPEN)
    at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["request"], condition=models.Q(state="open"), name="proposal_one_open")
        ]

    def __str__(self) -> str:
        return f"Proposal {self.pk} for request {self.request_id}"


class Execution(models.Model):
    """One run of an approved plan. `fence` grows with every claim; a write with an old fence hits no row."""

    request = models.OneToOneField(Request, on_delete=models.PROTECT, related_name="execution")
    mark = models.UUIDField(
        default=uuid4,
        unique=True,
        editable=False,
        help_text="What effects carry outside: a row's number could be another portal's",
    )
    state = models.CharField(max_length=32, choices=ExecutionState.choices, default=ExecutionState.QUEUED)
    stamp = models.CharField(max_length=40, help_text="RFC 3339, chosen once: what an idempotent effect writes")
    run_after = models.DateTimeField()
    waits_for = models.CharField(
        max_length=8, blank=True, help_text='"start" or "value": what its requester has to do before it may begin'
    )
    lease_until = models.DateTimeField(null=True)
    fence = models.PositiveBigIntegerField(default=0)
    attempts = models.PositiveIntegerField(default=0)
    crashes = models.PositiveIntegerField(default=0)
    worker = models.CharField(max_length=120, blank=True)
    cause = models.TextField(blank=True, help_text="Why it waits, reverted, failed or needs a person, in plain words")
    observed = models.JSONField(default=dict, help_text="The latest observation, for the page")
    cancel_requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="cancelled_runs"
    )
    deadline = models.DateTimeField(null=True, help_text="When the present phase has taken too long")
    queued_at = models.DateTimeField()
    started_at = models.DateTimeField(null=True)
    applied_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    overdue_alarm_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["run_after"],
                condition=models.Q(state__in=["queued", "running", "waiting", "verifying", "reverting"]),
                name="execution_due",
            ),
            models.Index(fields=["started_at"], name="execution_started"),
            models.Index(fields=["ended_at"], condition=models.Q(state="reverted"), name="execution_reverted"),
        ]

    def __str__(self) -> str:
        return f"Execution {self.pk} of request {self.request_id}"


class JournalEntry(models.Model):
    """What a run was about to do, and what came of it. The intent is committed before the effect."""

    class Status(models.TextChoices):
        INTENDED = "intended"
        DONE = "succeeded"
        FAILED = "failed"
        UNKNOWN = "unknown"

    class Phase(models.TextChoices):
        CONFIRM = "confirm"
        APPLY = "apply"
        VERIFY = "verify"
        REVERT = "revert"
        VERIFY_REVERT = "verify_revert"
        NOTE = "note"

    execution = models.ForeignKey(Execution, on_delete=models.PROTECT, related_name="journal")
    phase = models.CharField(max_length=16, choices=Phase.choices)
    step = models.CharField(max_length=64, blank=True)
    title = models.CharField(max_length=300)
    status = models.CharField(max_length=16, choices=Status.choices)
    begun = models.BooleanField(default=False, help_text="Part of it happened, even if it failed in the end")
    looks = models.BooleanField(default=False, help_text="It changes nothing outside, whatever comes of it")
    detail = models.TextField(blank=True)
    evidence = models.JSONField(default=dict)
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["execution", "phase", "step"],
                condition=~models.Q(phase="note"),
                name="journal_one_row_per_step",
            )
        ]

    def __str__(self) -> str:
        return f"{self.phase} {self.step}: {self.status}"


class Hold(models.Model):
    """A target that a run has to itself, from its first step to its end. A chain holds several."""

    target_key = models.CharField(max_length=128, unique=True)
    execution = models.ForeignKey(Execution, on_delete=models.CASCADE, related_name="holds")

    def __str__(self) -> str:
        return f"{self.target_key} by execution {self.execution_id}"


class Grant(models.Model):
    """Access, or a temporary change, that has a start and an end. Its end is a request of its own, made by time or by a person."""

    class Kind(models.TextChoices):
        ACCESS = "access"
        CHANGE = "change"

    request = models.OneToOneField(Request, on_delete=models.PROTECT, related_name="grant")
    kind = models.CharField(max_length=16, choices=Kind.choices)
    target_key = models.CharField(max_length=128)
    state = models.CharField(max_length=16, choices=GrantState.choices, default=GrantState.ACTIVE)
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.PROTECT,
        related_name="ended_grants",
        help_text="Empty: time did",
    )
    handle = models.JSONField(
        default=dict, help_text="What it can be ended by: a lease, an accessor. Never a credential"
    )
    handed_over_at = models.DateTimeField(null=True)
    next_try_at = models.DateTimeField(null=True, help_text="When its end is tried again, after an end that failed")
    overdue_alarm_at = models.DateTimeField(null=True)
    cause = models.TextField(blank=True, help_text="Why it has not ended, or how it did")

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["ends_at"], condition=models.Q(state__in=["active", "ending"]), name="grant_open"),
            models.Index(fields=["target_key"], condition=models.Q(state="active"), name="grant_on_target"),
        ]

    def __str__(self) -> str:
        return f"Grant {self.pk} of request {self.request_id}, until {self.ends_at:%H:%M}"


class Verified(models.Model):
    """What a workload ran when a run of ours was seen to be good: where to go back to, and what may be promoted."""

    workload = models.ForeignKey(Workload, on_delete=models.PROTECT, related_name="verified")
    execution = models.ForeignKey(Execution, on_delete=models.PROTECT, related_name="verified")
    template_hash = models.CharField(max_length=64)
    images = models.JSONField(default=dict, help_text="Container to image, by digest where the cluster said it")
    at = models.DateTimeField()

    class Meta:
        ordering = ["-at"]
        constraints = [models.UniqueConstraint(fields=["execution", "workload"], name="verified_once_per_run")]
        indexes = [models.Index(fields=["workload", "-at"], name="verified_of_workload")]

    def __str__(self) -> str:
        return f"{self.template_hash[:8]} at {self.at:%Y-%m-%d %H:%M}"


class RunLog(models.Model):
    """What a task wrote, kept with its run. Redacted before it comes here."""

    execution = models.ForeignKey(Execution, on_delete=models.PROTECT, related_name="logs")
    pod = models.CharField(max_length=253)
    container = models.CharField(max_length=63)
    text = models.TextField()
    truncated = models.BooleanField(
        default=False, help_text="The beginning is missing: only the end of a long log is kept"
    )
    at = models.DateTimeField()

    class Meta:
        ordering = ["pod", "container"]
        constraints = [
            models.UniqueConstraint(fields=["execution", "pod", "container"], name="run_log_one_per_container")
        ]

    def __str__(self) -> str:
        return f"{self.pod}/{self.container}"
