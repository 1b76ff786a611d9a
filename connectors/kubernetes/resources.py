"""Which URL an object has. The only place where a name becomes a part of one, so the place where names are checked."""

from dataclasses import dataclass

from connectors.names import dns_label, dns_subdomain
from connectors.names import kind as known_kind


@dataclass(frozen=True, slots=True)
class Resource:
    api: str
    plural: str


RESOURCES = {
    "Namespace": Resource("/api/v1", "namespaces"),
    "Node": Resource("/api/v1", "nodes"),
    "Pod": Resource("/api/v1", "pods"),
    "PodTemplate": Resource("/api/v1", "podtemplates"),
    "Event": Resource("/api/v1", "events"),
    "ConfigMap": Resource("/api/v1", "configmaps"),
    "Secret": Resource("/api/v1", "secrets"),
    "PersistentVolumeClaim": Resource("/api/v1", "persistentvolumeclaims"),
    "ResourceQuota": Resource("/api/v1", "resourcequotas"),
    "Deployment": Resource("/apis/apps/v1", "deployments"),
    "StatefulSet": Resource("/apis/apps/v1", "statefulsets"),
    "DaemonSet": Resource("/apis/apps/v1", "daemonsets"),
    "ReplicaSet": Resource("/apis/apps/v1", "replicasets"),
    "ControllerRevision": Resource("/apis/apps/v1", "controllerrevisions"),
    "CronJob": Resource("/apis/batch/v1", "cronjobs"),
    "Job": Resource("/apis/batch/v1", "jobs"),
    "HorizontalPodAutoscaler": Resource("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": Resource("/apis/policy/v1", "poddisruptionbudgets"),
    "ServiceAccount": Resource("/api/v1", "serviceaccounts"),
    "RoleBinding": Resource("/apis/rbac.authorization.k8s.io/v1", "rolebindings"),
    "ClusterRole": Resource("/apis/rbac.authorization.k8s.io/v1", "clusterroles"),
    "VerticalPodAutoscaler": Resource("/apis/autoscaling.k8s.io/v1", "verticalpodautoscalers"),
    "Application": Resource("/apis/argoproj.io/v1alpha1", "applications"),
    "ExternalSecret": Resource("/apis/external-secrets.io/v1", "externalsecrets"),
    "SecretStore": Resource("/apis/external-secrets.io/v1", "secretstores"),
    "ClusterSecretStore": Resource("/apis/external-secrets.io/v1", "clustersecretstores"),
    "VaultStaticSecret": Resource("/apis/secrets.hashicorp.com/v1beta1", "vaultstaticsecrets"),
    "VaultDynamicSecret": Resource("/apis/secrets.hashicorp.com/v1beta1", "vaultdynamicsecrets"),
    "Kustomization": Resource("/apis/kustomize.toolkit.fluxcd.io/v1", "kustomizations"),
    "HelmRelease": Resource("/apis/helm.toolkit.fluxcd.io/v2", "helmreleases"),
}
WORKLOADS = frozenset({"Deployment", "StatefulSet", "DaemonSet"})
SCALABLE = frozenset({"Deployment", "StatefulSet"})
RECONCILERS = frozenset({"Application", "Kustomization", "HelmRelease"})


def collection(kind: str, namespace: str | None = None) -> str:
    """All objects of a kind, of one namespace or (`None`, never "") of the whole cluster."""
    resource = RESOURCES[known_kind(kind, frozenset(RESOURCES))]
    if namespace is None:
        return f"{resource.api}/{resource.plural}"
    return f"{resource.api}/namespaces/{dns_label(namespace)}/{resource.plural}"


def single(kind: str, namespace: str, name: str) -> str:
    return f"{collection(kind, dns_label(namespace))}/{dns_subdomain(name, f'the name of a {kind}')}"


def of_cluster(kind: str, name: str) -> str:
    """An object that is in no namespace."""
    return f"{collection(kind)}/{dns_subdomain(name, f'the name of a {kind}')}"
