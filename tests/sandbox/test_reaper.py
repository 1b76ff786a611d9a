"""The reaper in the cluster ends what is over while the portal is dead, and nothing else: its very script, with its very rights."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.kubernetes import Identity, KubernetesCluster
from connectors.kubernetes.access import Terms, name_of
from sandbox.stack import Endpoints
from tests.cluster import Namespace, made_namespace

MANIFEST = Path(__file__).parents[2] / "deploy" / "kubernetes" / "reaper.yaml"
FORGED = "a-build-account"
"""It comes before the grants, so that a refusal that stopped the script would keep them."""
OVER, GOES_ON = "2020-01-01T00:00:00Z", "2099-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made


def test_it_deletes_what_is_over_and_can_delete_nothing_else(
    cluster: KubernetesCluster, namespace: Namespace, endpoints: Endpoints, tmp_path: Path
) -> None:
    documents: list[dict[str, Any]] = list(yaml.safe_load_all(MANIFEST.read_text()))
    afterdeck = Namespace(endpoints, "afterdeck")
    afterdeck.apply(*(each for each in documents if each["kind"] != "CronJob"))
    [job] = [each for each in documents if each["kind"] == "CronJob"]
    afterdeck.kubectl("create", "--dry-run=server", "-f", "-", stdin=yaml.safe_dump(job))
    [script] = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["args"]

    for name, ends in (("over", OVER), ("goes-on", GOES_ON)):
        terms, mira = Terms(name, ends, "mira"), Identity("mira")
        cluster.access.give_account(namespace.name, name_of(name), terms, as_=mira)
        cluster.access.bind(
            namespace.name, name_of(name), "afterdeck-view-logs", terms, to_person=name == "over", as_=mira
        )
    namespace.kubectl("create", "serviceaccount", FORGED)
    namespace.kubectl("label", "serviceaccount", FORGED, "afterdeck.dev/grant=forged")
    namespace.kubectl("annotate", "serviceaccount", FORGED, f"afterdeck.dev/ends-at={OVER}")

    token = afterdeck.kubectl("create", "token", "reaper").strip()
    done = reaped(script, cluster, token, tmp_path)

    left = namespace.kubectl("get", "rolebinding,serviceaccount", "-l", "afterdeck.dev/grant", "-o", "name").split()
    assert f"serviceaccount/{name_of('over')}" not in left, done.stderr
    assert not [each for each in left if each.endswith("-over")]
    assert len([each for each in left if each.endswith("-goes-on")]) == 2
    assert f"serviceaccount/{FORGED}" in left
    assert "only accounts and bindings of its own grants" in done.stderr
    assert done.returncode == 1, "somebody has to look at what could not be deleted"

    namespace.kubectl("delete", "serviceaccount", FORGED)
    assert reaped(script, cluster, token, tmp_path).returncode == 0
    assert reaped(script, cluster, "no-token", tmp_path).returncode != 0, "a list that fails is no empty list"


def reaped(script: str, cluster: KubernetesCluster, token: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """The script run once, as whoever the token is for."""
    server, authority = cluster.access.endpoint()
    kubeconfig = folder / "kubeconfig"
    kubeconfig.write_text(
        yaml.safe_dump(
            {
                "apiVersion": "v1", "kind": "Config", "current-context": "x",
                "clusters": [{"name": "x", "cluster": {"server": server, "certificate-authority-data": authority}}],
                "users": [{"name": "x", "user": {"token": token}}],
                "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
            }
        )
    )  # fmt: skip
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {"PATH": path, "KUBECONFIG": str(kubeconfig), "HOME": str(folder)}
    return subprocess.run(
        ["/bin/sh", "-c", script], env=environment, capture_output=True, text=True, check=False
    )  # fmt: skip
