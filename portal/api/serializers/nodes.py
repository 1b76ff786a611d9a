"""Nodes, as last seen."""

from rest_framework import serializers

from inventory.models import Node
from inventory.nodes import free


class NodeSerializer(serializers.ModelSerializer[Node]):
    """`cpu` and `memory` are allocatable, as Kubernetes writes it; what nobody has requested of them is `free_cpu`, in thousandths of
    a core, and `free_memory`, in bytes. Both are below 0 on a node that was promised more than it has.
    """

    cluster = serializers.CharField(source="cluster.name")
    service = serializers.CharField(source="service.slug")
    environment = serializers.CharField(source="environment.slug", default="")
    free_cpu = serializers.SerializerMethodField()
    free_memory = serializers.SerializerMethodField()

    class Meta:
        model = Node
        fields = [
            "id", "cluster", "service", "environment", "name", "uid", "ready", "schedulable", "version", "cpu", "memory", "free_cpu",
            "free_memory", "pods", "most_pods", "trouble", "seen_at",
        ]  # fmt: skip

    def get_free_cpu(self, node: Node) -> int:
        return free(node).cpu

    def get_free_memory(self, node: Node) -> int:
        return free(node).memory
