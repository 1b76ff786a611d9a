"""What exists and who owns it, as last seen. The clusters and vaults are the truth; these rows are a dated copy.

A row is never deleted because its object is gone: `gone_at` says when we stopped seeing it, so that history keeps its names.
"""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.contrib.auth.models import AbstractUser, Group
from django.db import models


class Person(AbstractUser):
    """Somebody who can sign in. `same_person_as` joins a second account to the person behind it, so that four eyes stay four."""

    display_name = models.CharField(max_length=120, blank=True)
    time_zone = models.CharField(max_length=64, default="UTC")
    same_person_as = models.ForeignKey(
        "self", null=True, blank=True, on_delete=models.PROTECT, related_name="other_accounts"
    )

    class Meta:
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return self.name

    @property
    def name(self) -> str:
        return self.display_name or self.get_full_name() or self.username

    @property
    def zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            return ZoneInfo("UTC")

    @property
    def identity(self) -> int:
        """One number for one human, whatever account they use, also when accounts were joined to each other in a row."""
        person, seen = self, {self.pk}
        while person.same_person_as is not None and person.same_person_as_id not in seen:
            person = person.same_person_as
            seen.add(person.pk)
        return min(seen) if person.same_person_as_id else person.pk


class Team(models.Model):
    slug = models.SlugField(max_length=63, unique=True)
    name = models.CharField(max_length=120)
    group = models.OneToOneField(Group, on_delete=models.PROTECT, related_name="team")
    approvers = models.OneToOneField(Group, on_delete=models.PROTECT, related_name="approves_for")

    class Meta:
        ordering = ["slug"]

    def __str__(self) -> str:
        return self.name


class Environment(models.Model):
    """`criticality` 0 (play) to 3 (production): what policies compare, so that they need not know names."""

    slug = models.SlugField(max_length=63, unique=True)
    criticality = models.PositiveSmallIntegerField(default=0)
    position = models.PositiveSmallIntegerField(default=0)

    class Meta:
        ordering = ["position", "slug"]
        constraints = [
            models.CheckConstraint(condition=models.Q(criticality__lte=3), name="environment_criticality_0_to_3")
        ]

    def __str__(self) -> str:
        return self.slug


class Connection(models.Model):
    """An outside system we are connected to. Address and credentials are settings; the row holds what we observed of it."""

    name = models.SlugField(max_length=63, unique=True)
    version = models.CharField(max_length=64, blank=True)
    simulated = models.BooleanField(default=False)
    read_only = models.BooleanField(default=False)
    seen_at = models.DateTimeField(null=True)
    unreachable_since = models.DateTimeField(null=True)
    problem = models.TextField(blank=True)

    class Meta:
        abstract = True
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Cluster(Connection):
    service = models.ForeignKey(
        "Service",
        null=True,
        on_delete=models.SET_NULL,
        related_name="clusters",
        help_text="What its nodes belong to, so that they have an owner as everything else has",
    )


class Vault(Connection):
    pass


class Service(models.Model):
    """The thing a team owns. Object permissions (`view`, `ask`) can be given to people and groups beyond the owning team."""

    slug = models.CharField(max_length=253, unique=True)
    name = models.CharField(max_length=253)
    team = models.ForeignKey(Team, null=True, on_delete=models.PROTECT, related_name="services")
    tier = models.PositiveSmallIntegerField(default=3)
    description = models.TextField(blank=True)
    links = models.JSONField(default=dict, blank=True)
    calls = models.ManyToManyField("self", symmetrical=False, related_name="called_by", blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    imported_at = models.DateTimeField(null=True, help_text="Since then a catalog says what it is, not its workloads")

    class Meta:
        ordering = ["slug"]
        permissions = [
            ("ask_service", "Can ask for actions on the service"),
            ("own_service", "Is one of the service's owners: can be asked to decide on requests for it"),
        ]

    def __str__(self) -> str:
        return self.name


class Workload(models.Model):
    """A service running somewhere. `uid` makes it this object and not a namesake that replaced it."""

    service = models.ForeignKey(Service, on_delete=models.PROTECT, related_name="workloads")
    environment = models.ForeignKey(Environment, on_delete=models.PROTECT, related_name="workloads")
    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="workloads")
    namespace = models.CharField(max_length=63)
    kind = models.CharField(max_length=32)
    name = models.CharField(max_length=253)
    uid = models.CharField(max_length=64)
    version = models.CharField(max_length=128, blank=True)
    images = models.JSONField(default=list)
    wanted = models.PositiveIntegerField(default=0)
    ready = models.PositiveIntegerField(default=0)
    restarts = models.PositiveIntegerField(default=0)
    paused = models.BooleanField(default=False)
    autoscaler = models.JSONField(null=True, help_text='{"name", "min", "max"} when an HPA owns the replicas')
    managed_by = models.CharField(max_length=253, blank=True, help_text='"Argo CD, app shop-production", or empty')
    trouble = models.CharField(max_length=300, blank=True, help_text="The cause in plain words, or empty when healthy")
    revision = models.CharField(max_length=32, blank=True)
    seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["service__slug", "environment__position", "name"]
        constraints = [models.UniqueConstraint(fields=["cluster", "uid"], name="workload_one_row_per_uid")]
        indexes = [
            models.Index(fields=["service", "environment"], condition=models.Q(gone_at=None), name="workload_live")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"


class Secret(models.Model):
    """A pointer into a vault and who reads it. There is no column for a value, and there will be none."""

    class Kind(models.TextChoices):
        KV2 = "kv2", "Key/value, version 2"
        STATIC_ROLE = "static-role", "Database, static role"
        DYNAMIC_ROLE = "dynamic-role", "Database, dynamic role"

    vault = models.ForeignKey(Vault, on_delete=models.PROTECT, related_name="secrets")
    mount = models.CharField(max_length=253)
    path = models.CharField(max_length=512)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    service = models.ForeignKey(Service, null=True, on_delete=models.SET_NULL, related_name="secrets")
    environment = models.ForeignKey(
        Environment,
        null=True,
        on_delete=models.SET_NULL,
        related_name="secrets",
        help_text="The most critical one of those who read it: a secret itself is in none",
    )
    consumers = models.ManyToManyField(Workload, related_name="secrets", blank=True)
    version = models.PositiveIntegerField(null=True)
    rotated_at = models.DateTimeField(null=True)
    rotate_every = models.DurationField(null=True)
    seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["mount", "path"]
        constraints = [models.UniqueConstraint(fields=["vault", "mount", "path"], name="secret_one_row_per_path")]

    def __str__(self) -> str:
        return f"{self.mount}/{self.path}"


class Node(models.Model):
    """A machine of a cluster, as last seen."""

    cluster = models.ForeignKey(Cluster, on_delete=models.PROTECT, related_name="nodes")
    name = models.CharField(max_length=253)
    uid = models.CharField(max_length=64)
    environment = models.ForeignKey(
        Environment,
        null=True,
        on_delete=models.SET_NULL,
        related_name="nodes",
        help_text="The most critical one of its cluster",
    )
    ready = models.BooleanField(default=False)
    schedulable = models.BooleanField(default=True)
    version = models.CharField(max_length=64, blank=True)
    cpu = models.CharField(max_length=32, blank=True, help_text="Allocatable, as Kubernetes writes it")
    memory = models.CharField(max_length=32, blank=True)
    cpu_requested = models.PositiveBigIntegerField(default=0, help_text="By its pods, in thousandths of a core")
    memory_requested = models.PositiveBigIntegerField(default=0, help_text="By its pods, in bytes")
    pods = models.PositiveIntegerField(default=0)
    most_pods = models.PositiveIntegerField(default=0)
    trouble = models.CharField(max_length=300, blank=True)
    seen_at = models.DateTimeField()
    gone_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["cluster__name", "name"]
        constraints = [models.UniqueConstraint(fields=["cluster", "uid"], name="node_one_row_per_uid")]

    def __str__(self) -> str:
        return f"Node {self.name}"

    @property
    def service(self) -> Service | None:
        """Its cluster's."""
        return self.cluster.service


class Shift(models.Model):
    """Who is on call for a team, from when to when."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="shifts")
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="shifts")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    told_by = models.ForeignKey(Person, null=True, on_delete=models.PROTECT, related_name="told_shifts")

    class Meta:
        ordering = ["starts_at", "id"]
        constraints = [
            models.CheckConstraint(condition=models.Q(ends_at__gt=models.F("starts_at")), name="shift_ends_later"),
            models.UniqueConstraint(fields=["team", "person", "starts_at"], name="shift_once"),
        ]
        indexes = [models.Index(fields=["team", "ends_at"], name="shift_of_team")]

    def __str__(self) -> str:
        return f"{self.person} for {self.team} from {self.starts_at:%Y-%m-%d %H:%M}"


class Incident(models.Model):
    """Something is wrong with services, as told by whoever keeps incidents. It is known here by its reference there."""

    reference = models.CharField(max_length=64, unique=True)
    title = models.CharField(max_length=300)
    url = models.URLField(max_length=500, blank=True)
    services = models.ManyToManyField(Service, related_name="incidents", blank=True)
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    told_by = models.ForeignKey(
        Person,
        null=True,
        on_delete=models.PROTECT,
        related_name="told_incidents",
        help_text="Who said last what it is about",
    )

    class Meta:
        ordering = ["-opened_at", "-id"]
        indexes = [models.Index(fields=["opened_at"], condition=models.Q(closed_at=None), name="incident_open")]

    def __str__(self) -> str:
        return self.reference


class Sample(models.Model):
    """What we saw of a workload at one moment: the only source of our charts."""

    workload = models.ForeignKey(Workload, on_delete=models.CASCADE, related_name="samples")
    at = models.DateTimeField()
    wanted = models.PositiveIntegerField()
    ready = models.PositiveIntegerField()
    restarts = models.PositiveIntegerField()

    class Meta:
        ordering = ["at"]
        indexes = [models.Index(fields=["workload", "at"], name="sample_series")]

    def __str__(self) -> str:
        return f"{self.ready}/{self.wanted} at {self.at:%H:%M:%S}"
