"""Services, workloads, environments, clusters, secrets, series: what exists, as last seen."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from inventory.models import Cluster, Environment, Secret, Service, Workload
from inventory.queries import live_workloads, secrets_of

from .base import Output, TeamSerializer


class EnvironmentSerializer(serializers.ModelSerializer[Environment]):
    class Meta:
        model = Environment
        fields = ["slug", "criticality"]


class ClusterSerializer(serializers.ModelSerializer[Cluster]):
    """`unreachable_since` and `problem` say that what we show of it may be old; `simulated` that its machines are not real."""

    class Meta:
        model = Cluster
        fields = ["name", "version", "simulated", "read_only", "seen_at", "unreachable_since", "problem"]


class WorkloadSerializer(serializers.ModelSerializer[Workload]):
    """As last seen, at `seen_at`. `trouble` is the cause in plain words, empty when healthy."""

    service = serializers.CharField(source="service.slug")
    environment = serializers.CharField(source="environment.slug")
    cluster = serializers.CharField(source="cluster.name")
    simulated = serializers.BooleanField(source="cluster.simulated")
    images = serializers.ListField(child=serializers.CharField())
    autoscaler = serializers.DictField(allow_null=True)

    class Meta:
        model = Workload
        fields = [
            "id", "service", "environment", "cluster", "simulated", "namespace", "kind", "name", "uid", "version", "images", "wanted",
            "ready", "restarts", "paused", "autoscaler", "managed_by", "trouble", "revision", "seen_at", "gone_at",
        ]  # fmt: skip


class ServiceSerializer(serializers.ModelSerializer[Service]):
    team = TeamSerializer(allow_null=True)
    links = serializers.SerializerMethodField()

    class Meta:
        model = Service
        fields = ["slug", "name", "team", "tier", "description", "links"]

    def get_links(self, service: Service) -> dict[str, str]:
        """Annotations come from whoever writes manifests: a `javascript:` link must not get to whoever shows ours."""
        return {str(name): str(link) for name, link in service.links.items() if str(link).startswith("https://")}


class SecretSerializer(serializers.ModelSerializer[Secret]):
    """A pointer. There is no value here, nor anywhere with us."""

    vault = serializers.CharField(source="vault.name")

    class Meta:
        model = Secret
        fields = ["vault", "mount", "path", "kind", "version", "rotated_at", "seen_at"]


class SeriesSerializer(Output):
    """What was observed, a day of it at most: per span of time the sample that fell shortest. `at` in seconds since the epoch."""

    at = serializers.ListField(child=serializers.IntegerField())
    wanted = serializers.ListField(child=serializers.IntegerField())
    ready = serializers.ListField(child=serializers.IntegerField())
    restarted = serializers.ListField(child=serializers.IntegerField())


class ServiceDetailSerializer(ServiceSerializer):
    workloads = serializers.SerializerMethodField()
    secrets = serializers.SerializerMethodField()

    class Meta(ServiceSerializer.Meta):
        fields = [*ServiceSerializer.Meta.fields, "workloads", "secrets"]

    @extend_schema_field(WorkloadSerializer(many=True))
    def get_workloads(self, service: Service) -> Any:
        return WorkloadSerializer(live_workloads([service]), many=True).data

    @extend_schema_field(SecretSerializer(many=True))
    def get_secrets(self, service: Service) -> Any:
        return SecretSerializer(secrets_of(service), many=True).data
