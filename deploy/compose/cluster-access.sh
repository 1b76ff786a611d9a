#!/bin/sh
# Writes the portal's kubeconfig: the ServiceAccount of deploy/kubernetes/rbac.yaml, with a token for a year.
set -eu
export KUBECONFIG=/admin/admin.yaml
kubectl() { command kubectl --server https://k3s:6443 "$@"; }

# k3s applies its manifests soon after it is ready.
tries=0
until kubectl --namespace afterdeck get serviceaccount portal >/dev/null 2>&1; do
  tries=$((tries + 1))
  [ "$tries" -lt 60 ] || { echo 'The ServiceAccount of deploy/kubernetes/rbac.yaml has not appeared within 2 minutes.' >&2; exit 1; }
  sleep 2
done

authority=$(kubectl config view --raw --output 'jsonpath={.clusters[0].cluster.certificate-authority-data}')
token=$(kubectl --namespace afterdeck create token portal --duration 8760h)

umask 077
cat >/kubeconfig/portal.yaml <<YAML
apiVersion: v1
kind: Config
current-context: portal
clusters: [{name: k3s, cluster: {server: "https://k3s:6443", certificate-authority-data: $authority}}]
users: [{name: portal, user: {token: $token}}]
contexts: [{name: portal, context: {cluster: k3s, user: portal}}]
YAML
chown 10001 /kubeconfig/portal.yaml
