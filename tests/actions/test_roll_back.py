"""Rolling back: to a version that is named, also while a bad one is stuck; taken back when it is no better; and undone."""

from typing import Any

import pytest

from actions import services
from actions.admission import Preview
from actions.errors import CannotPlanNow
from actions.models import Execution, Request
from actions.states import ExecutionState, RequestState
from connectors.kubernetes import KubernetesCluster, WorkloadSeen
from inventory.models import Workload
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, eventually, workload

ROLL_BACK = "rollback-workload"
SECRET = "canary-password-4711"


class Versions:
    """A workload whose versions follow each other, each kept by the cluster before the next one comes."""

    def __init__(self, namespace: Namespace, cluster: KubernetesCluster, kind: str, name: str) -> None:
        self._namespace, self._cluster = namespace, cluster
        self.kind, self.name = kind, name

    def deploy(self, tag: str, *, behaviour: str = "", wait: bool = True, **template: Any) -> None:
        made = workload(self.name, kind=self.kind, image=f"registry.example/shop:{tag}", behaviour=behaviour)
        made["spec"]["template"]["spec"] |= template
        self._namespace.apply(made)
        if wait:
            self._namespace.roll_out(self.kind, self.name)
        eventually(
            lambda: self.seen.template_hash in {kept.template_hash for kept in self._cluster.revisions_of(self.seen)}
        )

    @property
    def seen(self) -> WorkloadSeen:
        return self._cluster.read_workload(self.kind, self._namespace.name, self.name)

    @property
    def image(self) -> str:
        return self.seen.containers[0].image

    def number(self, tag: str) -> int:
        kept = self._cluster.revisions_of(self.seen)
        return next(each.number for each in kept if each.images == (f"registry.example/shop:{tag}",))

    def is_stuck(self) -> bool:
        return any(pod.trouble == "ImagePullBackOff" for pod in self._cluster.pods_of(self.seen))


@pytest.fixture
def versions(namespace: Namespace, cluster: KubernetesCluster, request: pytest.FixtureRequest) -> Versions:
    return Versions(namespace, cluster, getattr(request, "param", "Deployment"), "catalog")


@pytest.fixture
def catalog(versions: Versions, shop: Shop) -> Workload:
    """In staging, at its second version and at rest."""
    versions.deploy("1", wait=False)
    versions.deploy("2")
    return shop.knows("catalog", kind=versions.kind, environment=shop.staging)


def looks(people: People, target: Workload, revision: int) -> Preview:
    return services.preview(actor=people.mira, action=ROLL_BACK, target=target.pk, params={"revision": revision})


def figures(seen: Preview) -> dict[str, str]:
    return {impact.label: f"{impact.figure}: {impact.meaning}" for impact in seen.plan.impact}


def test_a_plan_shows_the_whole_difference_but_no_value_of_the_environment(
    shop: Shop, people: People, versions: Versions
) -> None:
    app = {"name": "app", "image": "registry.example/shop:1", "env": [{"name": "PASSWORD", "value": SECRET}]}
    db = {"name": "OTHER", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}}
    versions.deploy("1", wait=False, containers=[{**app, "env": [*app["env"], db]}], nodeSelector={"disk": "fast"})
    versions.deploy("2", wait=False)
    target = shop.knows("catalog", environment=shop.staging)

    seen = looks(people, target, versions.number("1"))

    [change] = seen.plan.changes
    lines = {line.path: (line.before, line.after) for line in change.lines}
    spec = "spec.template.spec"
    assert lines[f"{spec}.containers[app].image"] == ("registry.example/shop:2", "registry.example/shop:1")
    assert lines[f"{spec}.nodeSelector.disk"] == ("", "fast")
    assert lines[f"{spec}.containers[app].env[PASSWORD].value"][1].startswith("(hidden, ")
    assert SECRET not in f"{seen.plan.text}{seen.plan.impact}"
    assert figures(seen)["References"] == (
        "0 of 1 seen to be there: Secret db: not looked at, because the portal may not read them. Revision 2 does not use Secret db: "
        "make sure that nobody has deleted what nothing used."
    )
    place = f"kubectl --context sandbox -n {shop.namespace.name}"
    assert seen.plan.eject == (f"{place} rollout undo deployment/catalog --to-revision=1",)
    assert seen.plan.undo == {"revision": 2}


@pytest.mark.parametrize("versions", ["Deployment", "StatefulSet", "DaemonSet"], indirect=True)
def test_it_goes_back_and_forth_again(catalog: Workload, people: People, versions: Versions) -> None:
    request = asks(people.mira, ROLL_BACK, catalog, revision=versions.number("1"))
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert versions.image == "registry.example/shop:1"
    assert (versions.number("1"), versions.number("2")) == (3, 2)

    undone = services.undo(actor=people.mira, request=fresh(request), reason="It was not that.", entrance="test")

    assert undone.params == {"revision": 2}
    assert work_off(undone).state == ExecutionState.SUCCEEDED
    assert versions.image == "registry.example/shop:2"


def test_in_production_the_way_back_is_agreed_along(shop: Shop, people: People, versions: Versions) -> None:
    versions.deploy("1", wait=False)
    versions.deploy("2")
    request = asks(people.mira, ROLL_BACK, shop.knows("catalog"), revision=1)
    assert request.state == RequestState.AWAITING_APPROVAL
    approves(people.jonas, request)
    assert work_off(request).state == ExecutionState.SUCCEEDED
    undone = services.undo(actor=people.mira, request=fresh(request), reason="It was not that.", entrance="test")
    assert undone.state == RequestState.APPROVED


@pytest.mark.parametrize("versions", ["Deployment", "StatefulSet"], indirect=True)
def test_what_is_stuck_on_a_bad_version_comes_back(
    catalog: Workload, people: People, versions: Versions, namespace: Namespace
) -> None:
    versions.deploy("3", behaviour="broken", wait=False)
    eventually(versions.is_stuck)
    seen = looks(people, catalog, versions.number("2"))
    assert "A rollout is in flight and is given up." in figures(seen)["Now"]

    run = work_off(asks(people.mira, ROLL_BACK, catalog, revision=versions.number("2")))

    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert (versions.image, versions.seen.ready) == ("registry.example/shop:2", 2)
    assert ("delete pods -l" in seen.plan.eject[-1]) == (versions.kind == "StatefulSet")
    verbs = [each["verb"] for each in namespace.effects()]
    assert verbs == (["patch", "create"] if versions.kind == "StatefulSet" else ["patch"])


def test_a_rollout_that_was_given_up_before_does_not_speak_against_the_way_back(
    catalog: Workload, people: People, versions: Versions, namespace: Namespace
) -> None:
    namespace.kubectl("patch", "deployment", "catalog", "-p", '{"spec":{"progressDeadlineSeconds":1}}')
    versions.deploy("3", behaviour="broken", wait=False)
    eventually(lambda: "ProgressDeadlineExceeded" in {condition.reason for condition in versions.seen.conditions})
    run = work_off(asks(people.mira, ROLL_BACK, catalog, revision=versions.number("2")))
    assert run.state == ExecutionState.SUCCEEDED, run.cause


def test_a_workload_that_keeps_no_history_says_that_there_is_no_undo(
    catalog: Workload, people: People, versions: Versions, namespace: Namespace
) -> None:
    versions.deploy("3", behaviour="broken", wait=False)
    eventually(versions.is_stuck)
    namespace.kubectl("patch", "deployment", "catalog", "-p", '{"spec":{"revisionHistoryLimit":0}}')
    seen = looks(people, catalog, versions.number("2"))
    assert seen.plan.undo is None
    assert "revisionHistoryLimit is 0" in seen.plan.no_undo
    assert figures(seen)["History"].startswith("None kept")


@pytest.mark.parametrize("versions", ["Deployment", "StatefulSet"], indirect=True)
def test_a_version_that_is_no_better_is_left_again(
    shop: Shop, people: People, versions: Versions, namespace: Namespace, cluster: KubernetesCluster
) -> None:
    versions.deploy("1", behaviour="broken", wait=False)
    versions.deploy("2", wait=versions.kind == "Deployment")
    for pod in cluster.pods_of(versions.seen):
        if not pod.ready and versions.kind == "StatefulSet":
            namespace.kubectl("delete", "pod", pod.name, "--wait=false")
    namespace.roll_out(versions.kind, "catalog")
    before = namespace.get(versions.kind, "catalog")["spec"]
    target = shop.knows("catalog", kind=versions.kind, environment=shop.staging)

    run = work_off(asks(people.mira, ROLL_BACK, target, revision=versions.number("1")), 90)

    assert run.state == ExecutionState.REVERTED, run.cause
    assert "The image cannot be pulled" in run.cause
    assert namespace.get(versions.kind, "catalog")["spec"] == before
    assert versions.seen.ready == 2


@pytest.mark.parametrize(
    ("revision", "sentence"),
    [
        (2, r"Revision 2 is what it has already\. Choose another one\."),
        (7, r"There is no revision 7 any more, or there never was; .* Kept are 1\."),
    ],
)
def test_only_another_revision_that_is_kept_can_be_asked_for(
    catalog: Workload, people: People, revision: int, sentence: str
) -> None:
    with pytest.raises(CannotPlanNow, match=sentence):
        asks(people.mira, ROLL_BACK, catalog, revision=revision)
    assert not Request.objects.exists()


@pytest.mark.parametrize(
    ("kind", "spec", "sentence"),
    [
        ("Deployment", {"paused": True}, "The rollout is paused. Resume it first"),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, "Its update strategy is OnDelete"),
        ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, "Its update strategy is OnDelete"),
        ("Deployment", {}, "Revision 1 is the only one that the cluster keeps"),
    ],
)
def test_where_there_is_no_way_back_it_says_why(
    shop: Shop, people: People, namespace: Namespace, kind: str, spec: dict[str, Any], sentence: str
) -> None:
    namespace.apply(workload("catalog", kind=kind, **spec))
    target = shop.knows("catalog", kind=kind)
    if kind == "DaemonSet":
        eventually(lambda: shop.cluster.read_workload(kind, namespace.name, "catalog").wanted)

    def refused() -> bool:
        """By now for that reason: at first the cluster has not numbered it yet."""
        with pytest.raises(CannotPlanNow) as refusal:
            looks(people, target, 1)
        return sentence in str(refusal.value)

    eventually(refused)


def test_a_version_that_somebody_else_rolled_back_to_meanwhile_is_not_what_was_agreed(
    shop: Shop, people: People, versions: Versions, namespace: Namespace
) -> None:
    versions.deploy("1", wait=False)
    versions.deploy("2")
    target = shop.knows("catalog")
    request = asks(people.mira, ROLL_BACK, target, revision=1)
    namespace.kubectl("rollout", "undo", "deployment/catalog")
    namespace.roll_out("deployment", "catalog")
    approves(people.jonas, request)
    work_off(request)
    assert fresh(request).state == RequestState.STALE
    assert namespace.effects() == []


def test_what_the_cluster_no_longer_keeps_is_not_undone_to_something_else(
    shop: Shop, catalog: Workload, people: People, versions: Versions, namespace: Namespace
) -> None:
    request = asks(people.mira, ROLL_BACK, catalog, revision=1)
    assert work_off(request).state == ExecutionState.SUCCEEDED
    _, left = shop.cluster.replicasets_of(versions.seen)
    namespace.kubectl("delete", "replicaset", left.name)
    with pytest.raises(CannotPlanNow, match="is the only one that the cluster keeps"):
        services.undo(actor=people.mira, request=fresh(request), reason="Back.", entrance="test")
    assert Execution.objects.count() == 1
