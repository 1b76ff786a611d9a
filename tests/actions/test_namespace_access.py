"""Access to a namespace begins when the person is there, does what was agreed, and is gone at its end, with the cluster's word for both."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.utils import timezone

from actions import admission, grants, handover, journal, services
from actions.errors import CannotPlanNow, NotAllowed, NotFound, TooLate
from actions.models import Execution, Grant, JournalEntry, Request
from actions.namespace_access import others_there
from actions.registry import action_named
from actions.states import ExecutionState, GrantState, RequestState
from actions.targets import target_of
from audit import queries
from audit.events import SYSTEM
from inventory.models import Cluster, Person, Service, Team, Workload
from sandbox.stack import Endpoints
from tests.canary import found_at_rest
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import KUBECTL, Namespace, eventually, made_namespace, workload
from tests.contract.test_crashes import confirmed, taken, world_of

DEBUG, LOGS = "afterdeck-debug", "afterdeck-view-logs"
Kubectl = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        made.apply(workload("checkout", replicas=1))
        made.roll_out("deployment", "checkout")
        yield made


@pytest.fixture
def checkout(shop: Shop) -> Workload:
    return shop.knows("checkout", environment=shop.staging)


def wants(person: Person, target: Workload, role: str = DEBUG, minutes: int = 60, identity: str = "token") -> Request:
    return asks(person, "get-namespace-access", target, role=role, minutes=minutes, identity=identity)


def granted(request: Request) -> Grant:
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    return Grant.objects.get(request=request)


def revealed(person: Person, grant: Grant) -> dict[str, str]:
    grant.refresh_from_db()
    wrapped = handover.hand_over(actor=person, grant=grant)
    return dict(handover.reveal(actor=person, grant=grant, token=wrapped.token))


def time_is_over(grant: Grant) -> Execution:
    """What the sweeper and a worker do at the end."""
    Grant.objects.filter(pk=grant.pk).update(ends_at=timezone.now())
    grants.end_due()
    return work_off(Grant.objects.get(pk=grant.pk).endings.latest("pk"))


def kubectl_of(credential: dict[str, str], folder: Path) -> Kubectl:
    file = folder / "kubeconfig"
    file.write_text(credential["kubeconfig"])
    return lambda *arguments: subprocess.run(
        [KUBECTL, f"--kubeconfig={file}", *arguments], capture_output=True, text=True, check=False
    )


def verbs(request: Request) -> list[str]:
    return [event.verb for event in queries.events_of_request(request.pk)]


def objects_of(namespace: Namespace, grant: Grant) -> list[str]:
    found = namespace.kubectl(
        "get", "serviceaccount,rolebinding", "-l", f"afterdeck.dev/grant={grant.handle['mark']}", "-o", "name"
    )
    return sorted(found.split())


def test_access_is_proved_when_it_is_there_and_when_it_is_gone(
    checkout: Workload, people: People, namespace: Namespace, tmp_path: Path
) -> None:
    request = wants(people.mira, checkout)
    grant = granted(request)
    verdict = request.execution.journal.get(phase="verify")
    assert "create pods/exec" in verdict.evidence["allowed"]
    assert "reading secrets by the API is refused" in verdict.detail
    kubectl = kubectl_of(revealed(people.mira, grant), tmp_path)
    assert "created" in kubectl("run", "probe", "--image=registry.example/probe:1").stdout
    assert "forbidden" in kubectl("get", "secrets").stderr
    assert "forbidden" in kubectl("get", "pods", "-n", "kube-system").stderr

    end = time_is_over(grant)
    assert end.state == ExecutionState.SUCCEEDED, end.cause
    grant.refresh_from_db()
    assert (grant.state, objects_of(namespace, grant)) == (GrantState.ENDED, [])
    assert "Pod probe" in next(each for each in end.request.impact if each["label"] == "Left behind")["meaning"]
    eventually(lambda: kubectl("get", "pods").returncode != 0, 60)
    assert verbs(request)[-1] == "grant.ended" or "grant.ended" in verbs(request)
    namespace.kubectl("delete", "pod", "probe", "--wait=false")


def test_access_ends_also_where_everybody_may_do_some_of_it(
    checkout: Workload, people: People, namespace: Namespace
) -> None:
    """An authoriser does not care whether an account exists, so it goes on to allow a deleted one what all may do."""
    bind = ("create", "rolebinding", "everybody", "--clusterrole=view", "--group=system:authenticated")
    namespace.kubectl(*bind)
    try:
        end = time_is_over(granted(wants(people.mira, checkout)))
    finally:
        namespace.kubectl("delete", "rolebinding", "everybody")
    assert end.state == ExecutionState.SUCCEEDED, end.cause
    evidence = end.journal.get(phase="verify").evidence
    assert "watch pods" in evidence["still allowed to every account there"]
    assert "create pods/exec" not in evidence["still allowed to every account there"]


def test_that_other_teams_are_reached_is_said_and_seen_by_the_policy(
    checkout: Workload, people: People, shop: Shop
) -> None:
    def seen() -> tuple[Any, list[tuple[str, bool]]]:
        params = {"role": DEBUG, "minutes": 60, "identity": "token"}
        plan = services.preview(
            actor=people.mira, action="get-namespace-access", target=checkout.pk, params=params
        ).plan
        return plan.numbers["other_teams"], [
            (each.figure, each.worry) for each in plan.impact if each.label == "Other teams"
        ]

    Service.objects.create(slug="nobodys", name="Nobody's", team=None, tier=3)
    other = Service.objects.create(slug="carts", name="Carts", team=Team.objects.get(slug="storefront"), tier=1)
    there = {name: getattr(checkout, name) for name in ("environment", "cluster", "namespace", "kind", "seen_at")}
    carts = Workload.objects.create(service=other, name="carts", uid="another", **there)
    assert seen() == (1, [("storefront", True)])
    assert set(others_there(replace(target_of(checkout), service="nobodys"))) == {"payments", "storefront"}
    Workload.objects.filter(pk=carts.pk).update(gone_at=timezone.now())
    assert seen() == (0, [])
    Workload.objects.filter(pk=carts.pk).update(gone_at=None, namespace="elsewhere")
    assert seen() == (0, [])


def test_its_time_counts_from_when_the_person_is_there(shop: Shop, people: People) -> None:
    request = wants(people.mira, shop.knows("checkout"))
    assert fresh(request).state == RequestState.AWAITING_APPROVAL
    approves(people.jonas, request)
    assert fresh(request).execution.waits_for == "start"
    with pytest.raises(NotAllowed):
        grants.activate(actor=people.jonas, request=fresh(request))
    assert not Grant.objects.exists()
    grants.activate(actor=people.mira, request=fresh(request))
    grant = granted(request)
    assert grant.ends_at - grant.starts_at == timedelta(minutes=60)
    assert timezone.now() - grant.starts_at < timedelta(minutes=1)


def test_a_role_is_bound_to_the_persons_own_identity_and_taken_again(
    checkout: Workload, people: People, namespace: Namespace
) -> None:
    grant = granted(wants(people.mira, checkout, LOGS, identity="own"))
    asked = ("auth", "can-i", "get", "pods/log", "--as=mira")
    assert namespace.kubectl(*asked).strip() == "yes"
    with pytest.raises(CannotPlanNow, match="your own identity"):
        handover.hand_over(actor=people.mira, grant=grant)
    assert "credential.handed_over" not in verbs(grant.request)
    assert time_is_over(grant).state == ExecutionState.SUCCEEDED
    with pytest.raises(AssertionError):
        namespace.kubectl(*asked)


def test_overlapping_grants_do_not_end_each_other_and_one_can_be_given_back_early(
    checkout: Workload, people: People, namespace: Namespace
) -> None:
    first, second = (
        granted(wants(people.mira, checkout)),
        granted(wants(people.mira, checkout)),
    )  # which is how to extend one
    with pytest.raises(NotAllowed):
        grants.give_back(actor=people.leila, grant=first)
    grants.give_back(actor=people.mira, grant=first)
    assert work_off(first.endings.get()).state == ExecutionState.SUCCEEDED
    assert (objects_of(namespace, first), len(objects_of(namespace, second))) == ([], 2)
    second.refresh_from_db()
    assert second.state == GrantState.ACTIVE
    with pytest.raises(TooLate):
        grants.give_back(actor=people.mira, grant=first)


def test_a_credential_is_for_the_one_who_asked_and_seen_once(checkout: Workload, people: People) -> None:
    request = wants(people.mira, checkout)
    grant = granted(request)
    with pytest.raises(NotAllowed):
        handover.hand_over(actor=people.jonas, grant=grant)
    with pytest.raises(NotAllowed):
        handover.hand_over(actor=people.mira_admin, grant=grant)
    wrapped = handover.hand_over(actor=people.mira, grant=grant)
    assert wrapped.token not in repr(wrapped)
    with pytest.raises(NotAllowed):
        handover.reveal(actor=people.jonas, grant=grant, token=wrapped.token)
    seen = handover.reveal(actor=people.mira, grant=grant, token=wrapped.token)
    with pytest.raises(TooLate, match="looked at already"):
        handover.reveal(actor=people.mira, grant=grant, token=wrapped.token)
    assert {"credential.handed_over", "credential.revealed", "access.refused"} <= set(verbs(request))
    token = next(line.split()[-1] for line in seen["kubeconfig"].splitlines() if "token:" in line)
    assert len(token) > 500
    assert found_at_rest([token]) == []


def test_nobody_can_ask_for_the_end_of_access_as_an_action(checkout: Workload, people: People) -> None:
    grant = granted(wants(people.mira, checkout))
    with pytest.raises(NotFound):
        asks(people.mira, "end-namespace-access", checkout, mark=grant.handle["mark"], role=DEBUG, identity="token")


@pytest.mark.parametrize(
    ("role", "why"),
    [("cluster-admin", "not on the list"), ("no-such-role", "There is no role"), ("{ns}-unfit", "It reaches secrets")],
)
def test_a_role_that_must_not_be_given_is_refused(
    checkout: Workload, people: People, namespace: Namespace, role: str, why: str
) -> None:
    with_role(namespace, "unfit", ["get"], ["pods", "secrets"])
    with pytest.raises(CannotPlanNow, match=why):
        wants(people.mira, checkout, role.format(ns=namespace.name))


def test_a_role_that_nobody_may_bind_cannot_be_planned(
    checkout: Workload, people: People, namespace: Namespace
) -> None:
    with_role(namespace, "unbound", ["delete"], ["pods"])
    with pytest.raises(CannotPlanNow, match="not currently held"):
        wants(people.mira, checkout, f"{namespace.name}-unbound")


def test_access_does_not_begin_when_the_role_has_changed_since_it_was_agreed(
    shop: Shop, people: People, namespace: Namespace
) -> None:
    name = with_role(namespace, "changing", ["get"], ["pods"], bindable=True)
    request = wants(people.mira, shop.knows("checkout"), name)
    approves(people.jonas, request)
    with_role(namespace, "changing", ["get"], ["pods", "configmaps"], bindable=True)
    grants.activate(actor=people.mira, request=fresh(request))
    assert work_off(request).state == ExecutionState.CANCELLED
    assert fresh(request).state == RequestState.STALE


def test_access_that_can_read_secrets_after_all_is_taken_back(
    checkout: Workload, people: People, namespace: Namespace
) -> None:
    """Somebody lets every account of the namespace read secrets, so a grant would, too."""
    namespace.kubectl("create", "role", "careless", "--verb=get", "--resource=secrets")
    bind = ("create", "rolebinding", "careless", "--role=careless", f"--group=system:serviceaccounts:{namespace.name}")
    namespace.kubectl(*bind)
    try:
        request = wants(people.mira, checkout)
        run = work_off(request)
        assert run.state == ExecutionState.REVERTED
        assert "can read secrets" in run.cause
        grant = Grant.objects.get(request=request)
        assert (grant.state, objects_of(namespace, grant)) == (GrantState.ENDED, [])
    finally:
        namespace.kubectl("delete", "role,rolebinding", "careless")


def test_access_ends_although_who_had_it_has_left_and_somebody_was_faster(
    checkout: Workload, people: People, namespace: Namespace
) -> None:
    grant = granted(wants(people.mira, checkout))
    Person.objects.filter(pk=people.mira.pk).update(is_active=False)
    namespace.kubectl("delete", "rolebinding,serviceaccount", f"afterdeck-grant-{grant.handle['mark']}")
    assert time_is_over(grant).state == ExecutionState.SUCCEEDED


def test_access_that_cannot_be_ended_raises_the_alarm_and_is_ended_later(
    checkout: Workload, people: People, shop: Shop, namespace: Namespace
) -> None:
    request = wants(people.mira, checkout)
    grant = granted(request)
    shop.rename_cluster("elsewhere")
    Grant.objects.filter(pk=grant.pk).update(ends_at=timezone.now() - timedelta(minutes=3))
    plan = request.plan_text
    Request.objects.filter(pk=request.pk).update(plan_text=plan.replace('"cluster":"sandbox"', '"cluster":"elsewhere"'))
    grants.end_due()
    grants.alarm()
    grants.alarm()
    grant.refresh_from_db()
    assert (grant.state, verbs(request).count("grant.overdue")) == (GrantState.ACTIVE, 1)
    assert "elsewhere" in grant.cause
    shop.rename_cluster("sandbox")
    Request.objects.filter(pk=request.pk).update(plan_text=plan)
    Grant.objects.filter(pk=grant.pk).update(next_try_at=None)
    assert Cluster.objects.get().name == "sandbox"
    assert time_is_over(grant).state == ExecutionState.SUCCEEDED
    assert objects_of(namespace, grant) == []


def with_role(namespace: Namespace, name: str, can: list[str], resources: list[str], *, bindable: bool = False) -> str:
    """A role on the administrator's list, of this namespace's tests only: it goes with the namespace."""
    full = f"{namespace.name}-{name}"
    uid = namespace.kubectl("get", "namespace", namespace.name, "-o", "jsonpath={.metadata.uid}")
    owner = [{"apiVersion": "v1", "kind": "Namespace", "name": namespace.name, "uid": uid}]
    meta: dict[str, Any] = {"name": full, "labels": {"afterdeck.dev/grantable": "true"}, "ownerReferences": owner}
    api = {"apiVersion": "rbac.authorization.k8s.io/v1"}
    role = {
        **api,
        "kind": "ClusterRole",
        "metadata": meta,
        "rules": [{"apiGroups": [""], "resources": resources, "verbs": can}],
    }
    bind = {
        "apiGroups": ["rbac.authorization.k8s.io"],
        "resources": ["clusterroles"],
        "resourceNames": [full],
        "verbs": ["bind"],
    }
    named = {"name": f"{full}-binder", "ownerReferences": owner}
    binder = [
        {**api, "kind": "ClusterRole", "metadata": named, "rules": [bind]},
        {
            **api, "kind": "ClusterRoleBinding", "metadata": named,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": f"{full}-binder"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "afterdeck:operators"}],
        },
    ]  # fmt: skip
    namespace.apply(role, *(binder if bindable else []))
    return full


def worker_dies(request: Request, steps: int) -> None:
    """After so many steps have happened, before it can write down that the last one has."""
    run = taken(request)
    confirmed(run)
    plan = admission.stored_plan(request)
    for number, step in enumerate(plan.steps[:steps], 1):
        entry = journal.intend(run, JournalEntry.Phase.APPLY, step, actor=SYSTEM)
        evidence = action_named(plan.action).apply(step, plan, world_of(run))
        if number < steps:
            journal.settle(run, entry, JournalEntry.Status.DONE, actor=SYSTEM, detail="", evidence=evidence)


@pytest.mark.parametrize("steps", [0, 1, 2])
def test_a_worker_that_dies_between_steps_gives_and_takes_once(
    checkout: Workload, people: People, namespace: Namespace, steps: int
) -> None:
    before = len(namespace.effects())
    request = wants(people.mira, checkout)
    worker_dies(request, steps)
    Execution.objects.filter(request=request).update(lease_until=timezone.now())
    grant = granted(request)
    assert len(objects_of(namespace, grant)) == 2
    Grant.objects.filter(pk=grant.pk).update(ends_at=timezone.now())
    grants.end_due()
    end = grant.endings.get()
    worker_dies(end, steps)
    Execution.objects.filter(request=end).update(lease_until=timezone.now())
    assert work_off(end).state == ExecutionState.SUCCEEDED
    assert objects_of(namespace, grant) == []
    assert len(namespace.effects()) - before == 4  # an account and a binding, made and deleted
