"""A workload that Git owns: what would be taken back is refused, and can be done while auto-sync is suspended.

On controllers that take changes back as Argo CD and Flux do (`tests.gitops`).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone
from pytest_django.fixtures import Settings

from actions import grants, services
from actions.errors import CannotPlanNow, Denied
from actions.models import Grant, Request
from actions.states import ExecutionState, GrantState
from actions.suspensions import suspensions_of
from approvals import loader
from connectors.kubernetes import KubernetesCluster
from inventory.models import Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, asks, fresh, work_off
from tests.cluster import Namespace, eventually, made_namespace, workload
from tests.gitops import application, kustomization, marks, reconciled

SIZE = "spec.replicas"
OWNERS = {
    "shop": (application("shop", prune=True, selfHeal=True), 0.3, "in about 5 s by Argo CD, application shop"),
    "edge": (kustomization("edge", "2s"), 2.0, "at the next reconciliation, within 2 s, by Flux, Kustomization edge"),
}


@pytest.fixture(scope="module")
def place(endpoints: Endpoints) -> Iterator[Namespace]:
    """Two workloads, one brought back by Argo CD and one by Flux."""
    with made_namespace(endpoints) as made:
        argo, flux = OWNERS["shop"], OWNERS["edge"]
        with (
            reconciled(endpoints, made, argo[0], workload("shop"), seconds=argo[1]),
            reconciled(endpoints, made, flux[0], workload("edge"), seconds=flux[1]),
        ):
            yield made


@pytest.fixture
def there(people: People, cluster: KubernetesCluster, place: Namespace, settings: Settings) -> Shop:
    """Nothing soaks here unless it is about that."""
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"soak_seconds": 0})
    return Shop(cluster, place)


@pytest.fixture(params=OWNERS)
def owned(request: pytest.FixtureRequest, there: Shop, place: Namespace) -> Workload:
    eventually(lambda: replicas(place, request.param) == 2)
    return there.knows(request.param, environment=there.staging)


def replicas(place: Namespace, name: str) -> int:
    found: int = place.get("deployment", name)["spec"]["replicas"]
    return found


def owner_of(place: Namespace, target: Workload) -> dict[str, Any]:
    return place.get("application" if target.name == "shop" else "kustomization", target.name)


def said(people: People, target: Workload, action: str, **params: Any) -> dict[str, str]:
    seen = services.preview(actor=people.mira, action=action, target=target.pk, params=params)
    return {impact.label: f"{impact.figure}: {impact.meaning}" for impact in seen.plan.impact}


def time_passes(request: Request) -> Request:
    """To the end of what was asked for, which a request of its own then brings about."""
    Grant.objects.filter(request=request).update(ends_at=timezone.now())
    grants.end_due()
    return Request.objects.get(ends__request=request)


def test_what_git_takes_back_is_refused_and_the_plan_says_how_soon(owned: Workload, people: People) -> None:
    assert (
        f"This will be reverted {OWNERS[owned.name][2]}: {SIZE}."
        in said(people, owned, "resize-workload", replicas=3)["Owner"]
    )
    with pytest.raises(Denied, match=r"Suspend its auto-sync first \(“Suspend auto-sync”\)"):
        asks(people.mira, "resize-workload", owned, replicas=3)


@pytest.mark.parametrize("owned", ["edge"], indirect=True)
def test_a_restart_is_not_in_git_and_stays(owned: Workload, people: People) -> None:
    assert "leaves the restart alone" in said(people, owned, "restart-workload")["Owner"]
    run = work_off(asks(people.mira, "restart-workload", owned))
    assert run.state == ExecutionState.SUCCEEDED, run.cause


@pytest.mark.parametrize("owned", ["shop"], indirect=True)
def test_where_the_policy_only_warns_it_is_seen_that_git_took_it_back(
    owned: Workload, people: People, place: Namespace, settings: Settings, tmp_path: Path
) -> None:
    shipped = (loader.DEFAULT_DIRECTORY / "default.yaml").read_text()
    (tmp_path / "default.yaml").write_text(
        shipped.replace("when: target.self_heals", "when: target.self_heals && environment.criticality >= 3")
    )
    settings.CONFIGURATION = settings.CONFIGURATION.model_copy(update={"policy_dir": tmp_path, "soak_seconds": 3})
    run = work_off(asks(people.mira, "resize-workload", owned, replicas=3))
    assert run.state == ExecutionState.REVERTED, run.cause
    assert run.cause == "Somebody else set 2 replicas after this run did."
    assert replicas(place, owned.name) == 2


def test_suspended_it_can_be_changed_and_at_the_end_git_takes_it_back(
    owned: Workload, people: People, place: Namespace
) -> None:
    before = owner_of(place, owned)["spec"]
    suspended = asks(people.mira, "suspend-gitops", owned, for_minutes=30)
    run = work_off(suspended)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert owner_of(place, owned)["spec"] != before

    told = said(people, owned, "resize-workload", replicas=3)["Owner"]
    assert "mira suspended its auto-sync until" in told
    assert f"Then it takes the new size back: {SIZE}." in told
    run = work_off(asks(people.mira, "resize-workload", owned, replicas=3))
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    [(_, suspension)] = suspensions_of(run.request.target_key).items()
    assert (suspension.request, suspension.by) == (suspended.pk, "Mira")

    ending = time_passes(suspended)
    drift = next(impact for impact in ending.impact if impact["label"] == "Drift")
    assert drift["figure"] == "1 field"
    assert f"{SIZE} from 3 to 2" in drift["meaning"]
    run = work_off(ending)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert run.cause == f"Auto-sync is on, and took back {SIZE}"
    assert replicas(place, owned.name) == 2
    owner = owner_of(place, owned)
    assert owner["spec"] == before
    assert "afterdeck.dev/auto-sync-suspended" not in owner["metadata"]["annotations"]
    assert Grant.objects.get(request=suspended).state == GrantState.ENDED
    assert suspensions_of(run.request.target_key) == {}


def test_who_suspends_it_for_longer_holds_it(there: Shop, people: People, place: Namespace) -> None:
    target = there.knows("shop", environment=there.staging)
    first = asks(people.mira, "suspend-gitops", target, for_minutes=5)
    assert work_off(first).state == ExecutionState.SUCCEEDED
    second = asks(people.jonas, "suspend-gitops", target, for_minutes=30)
    assert work_off(second).state == ExecutionState.SUCCEEDED
    Grant.objects.filter(request=first).update(ends_at=timezone.now())
    grants.end_due()
    assert Grant.objects.get(request=first).state == GrantState.ENDED
    assert owner_of(place, target)["spec"]["syncPolicy"] == {}
    grants.give_back(actor=people.jonas, grant=fresh(second).grant)
    assert work_off(Request.objects.get(ends__request=second)).state == ExecutionState.SUCCEEDED
    assert owner_of(place, target)["spec"]["syncPolicy"] == {"automated": {"prune": True, "selfHeal": True}}


@pytest.mark.parametrize(
    ("name", "owner", "sentence"),
    [
        ("by-hand", None, "Nothing says that it is kept in Git, so there is no auto-sync."),
        ("gone", application("nowhere", selfHeal=True), "that object cannot be read: it is gone"),
        ("off", application("off"), "Auto-sync of off is off already, so nothing takes a change back."),
    ],
)
def test_what_cannot_be_suspended_is_refused_with_the_way_out(
    there: Shop, people: People, place: Namespace, name: str, owner: dict[str, Any] | None, sentence: str
) -> None:
    made = workload(name, replicas=0)
    if owner is not None:
        marks(made, owner, place)
    place.apply(made, *([owner] if name == "off" and owner else []))
    with pytest.raises(CannotPlanNow, match=sentence):
        asks(people.mira, "suspend-gitops", there.knows(name, environment=there.staging))


def test_an_owner_resumes_also_when_the_workload_is_gone(there: Shop, people: People, place: Namespace) -> None:
    owner, made = application("leaver", selfHeal=True), workload("leaver", replicas=0)
    marks(made, owner, place)
    place.apply(owner, made)
    request = asks(people.mira, "suspend-gitops", there.knows("leaver", environment=there.staging))
    assert work_off(request).state == ExecutionState.SUCCEEDED
    place.kubectl("delete", "deployment/leaver")
    run = work_off(time_passes(request))
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert place.get("application", "leaver")["spec"]["syncPolicy"] == {"automated": {"selfHeal": True}}


def test_what_somebody_else_has_resumed_needs_no_end(there: Shop, people: People, place: Namespace) -> None:
    owner, made = application("early", selfHeal=True), workload("early", replicas=0)
    marks(made, owner, place)
    place.apply(owner, made)
    request = asks(people.mira, "suspend-gitops", there.knows("early", environment=there.staging))
    assert work_off(request).state == ExecutionState.SUCCEEDED
    place.kubectl("patch", "application", "early", "--type=merge", "-p", '{"spec":{"syncPolicy":{"automated":{}}}}')
    Grant.objects.filter(request=request).update(ends_at=timezone.now())
    grants.end_due()
    grant = Grant.objects.get(request=request)
    assert (grant.state, "somebody else has resumed it" in grant.cause) == (GrantState.ENDED, True)


def test_one_suspension_of_an_owner_at_a_time(there: Shop, people: People, place: Namespace) -> None:
    twin = workload("twin", replicas=0)
    marks(twin, OWNERS["shop"][0], place)
    place.apply(twin)
    first = asks(people.mira, "suspend-gitops", there.knows("shop", environment=there.staging))
    assert work_off(first).state == ExecutionState.SUCCEEDED
    with pytest.raises(CannotPlanNow, match=r"mira suspended its auto-sync .* through another workload"):
        asks(people.jonas, "suspend-gitops", there.knows("twin", environment=there.staging))
    assert work_off(time_passes(first)).state == ExecutionState.SUCCEEDED
