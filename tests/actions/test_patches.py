"""One field is patched through the gate: what is refused, whose it was, what is taken back, and that patches leave each other alone."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from actions import admission, execution, services
from actions.errors import CannotPlanNow
from actions.models import Execution, Request, Verified
from actions.plans import Line
from actions.states import ExecutionState, RequestState
from connectors.kubernetes import WorkloadSeen
from inventory.models import Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, approves, asks, fresh, work_off
from tests.cluster import Namespace, eventually, made_namespace, workload
from tests.contract.test_crashes import intended, settled, taken

pytestmark = pytest.mark.usefixtures("no_soak")

REPOSITORY = "registry.example/shop/checkout"
DIGEST = f"{REPOSITORY}@sha256:{'a' * 64}"
OTHER = f"{REPOSITORY}@sha256:{'b' * 64}"
ELSEWHERE = f"registry.example/else@sha256:{'a' * 64}"
ENVIRONMENT = [
    {"name": "LOG_LEVEL", "value": "info"},
    {"name": "FROM_VAULT", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password", "optional": True}}},
]


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    with made_namespace(endpoints) as made:
        yield made


def manifest(name: str, **more: Any) -> dict[str, Any]:
    made = workload(name, replicas=1, image=f"{REPOSITORY}:1.4.2")
    made["spec"]["template"]["spec"]["containers"][0] |= {"env": ENVIRONMENT, **more}
    return made


@pytest.fixture
def checkout(shop: Shop, request: pytest.FixtureRequest) -> Workload:
    """In staging, applied by a client as most are, under a name of the test's own."""
    name = f"shop-{abs(hash(request.node.name)) % 10**8}"
    shop.namespace.apply(manifest(name))
    shop.namespace.roll_out("deployment", name)
    return shop.knows(name, environment=shop.staging)


def seen(shop: Shop, target: Workload) -> WorkloadSeen:
    return shop.cluster.read_workload(target.kind, shop.namespace.name, target.name)


def variables(shop: Shop, target: Workload) -> dict[str, str | None]:
    [container] = shop.namespace.get("deployment", target.name)["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value") for each in container["env"]}


def undone(people: People, request: Request) -> Execution:
    back = services.undo(actor=people.mira, request=fresh(request), reason="It was not that.", entrance="test")
    return work_off(back)


def test_an_image_is_proved_and_its_undo_leaves_other_patches_alone(
    shop: Shop, people: People, checkout: Workload
) -> None:
    image = asks(people.mira, "patch-image", checkout, container="app", image=DIGEST)
    assert work_off(image).state == ExecutionState.SUCCEEDED
    proof = Verified.objects.get(workload=checkout)
    assert (proof.images, proof.template_hash) == ({"app": DIGEST}, seen(shop, checkout).template_hash)
    variable = asks(people.mira, "patch-variable", checkout, container="app", name="RETRIES", value="3")
    assert work_off(variable).state == ExecutionState.SUCCEEDED

    assert undone(people, image).state == ExecutionState.SUCCEEDED

    assert seen(shop, checkout).containers[0].image == f"{REPOSITORY}:1.4.2"
    assert variables(shop, checkout)["RETRIES"] == "3"
    assert undone(people, variable).state == ExecutionState.SUCCEEDED
    assert "RETRIES" not in variables(shop, checkout)


@pytest.mark.parametrize(
    ("action", "params", "sentence"),
    [
        ("patch-image", {"image": f"{REPOSITORY}:1.4.3"}, "Give the image by digest"),
        ("patch-image", {"image": ELSEWHERE}, "say so with “Yes, from another repository”"),
        ("patch-image", {"as_in_revision": 7}, "There is no revision 7"),
        ("patch-image", {"image": DIGEST, "container": "sidecar"}, "It has no container sidecar. There is app."),
        (
            "patch-variable",
            {"name": "FROM_VAULT", "value": "x"},
            "FROM_VAULT comes from Secret db, .* Use “Rotate secret”",
        ),
        ("patch-variable", {"name": "dbPassword", "value": "x"}, "Use “Rotate secret” for it"),
        ("patch-variable", {"name": "ADDRESS", "value": "postgresql://a:b@db/x"}, "looks as if it held a credential"),
        ("patch-variable", {"name": "LOG_LEVEL", "value": "info"}, "has this value already"),
        ("patch-variable", {"name": "1=", "value": "x"}, "Name a variable"),
        ("patch-config", {"entry": "none/x", "find": "a", "replace": "b"}, "It reads no text of a ConfigMap"),
        ("promote-image", {}, "in an environment before staging"),
    ],
)
def test_what_cannot_be_patched_is_refused_in_words(
    shop: Shop, people: People, action: str, params: dict[str, Any], sentence: str
) -> None:
    if not shop.namespace.kubectl("get", "deployment", "refusing", "--ignore-not-found"):
        shop.namespace.apply(manifest("refusing"))
        shop.namespace.roll_out("deployment", "refusing")
    target = shop.knows("refusing", environment=shop.staging)
    container = {"container": "app"} if action in ("patch-image", "patch-variable") else {}
    with pytest.raises(CannotPlanNow, match=sentence):
        asks(people.mira, action, target, **{**container, **params})


def test_what_somebody_else_declares_is_taken_over_only_when_it_is_said_and_agreed(shop: Shop, people: People) -> None:
    made = json.dumps(manifest("owned"))
    shop.namespace.kubectl("apply", "--server-side", "--field-manager=helm", "-f", "-", stdin=made)
    shop.namespace.roll_out("deployment", "owned")
    target = shop.knows("owned", environment=shop.staging)
    with pytest.raises(CannotPlanNow, match=r"image is owned by helm, by server-side apply.*“Take it over”"):
        asks(people.mira, "patch-image", target, container="app", image=DIGEST)

    request = asks(people.mira, "patch-image", target, container="app", image=DIGEST, take_over=True)

    assert request.state == RequestState.AWAITING_APPROVAL
    assert [fact["figure"] for fact in request.impact if fact["label"] == "Taken over from"] == ["helm"]
    approves(people.jonas, request)
    assert work_off(request).state == ExecutionState.SUCCEEDED
    assert seen(shop, target).containers[0].image == DIGEST


def test_what_somebody_declares_meanwhile_is_not_taken_from_them(shop: Shop, people: People) -> None:
    """The template is as planned, so only the server knows."""
    shop.namespace.apply(manifest("claimed"))
    shop.namespace.roll_out("deployment", "claimed")
    target = shop.knows("claimed", environment=shop.staging)
    request = asks(people.mira, "patch-image", target, container="app", image=DIGEST)
    declared = shop.namespace.get("deployment", "claimed")["spec"]
    made = {**manifest("claimed"), "spec": declared}
    shop.namespace.kubectl("apply", "--server-side", "--field-manager=helm", "-f", "-", stdin=json.dumps(made))
    work_off(request)
    assert fresh(request).state == RequestState.STALE
    assert seen(shop, target).containers[0].image == f"{REPOSITORY}:1.4.2"


@pytest.fixture
def configured(shop: Shop, request: pytest.FixtureRequest) -> Workload:
    """Reads one ConfigMap as environment."""
    name = f"conf-{abs(hash(request.node.name)) % 10**8}"
    data = {"app.yaml": "level: info\npool: 4\nlevels:\n  - info\n", "api-token": "x"}
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
    source = {"configMapKeyRef": {"name": name, "key": "app.yaml"}}
    shop.namespace.apply(config, manifest(name, env=[{"name": "SETTINGS", "valueFrom": source}]))
    shop.namespace.roll_out("deployment", name)
    return shop.knows(name, environment=shop.staging)


def text(shop: Shop, target: Workload) -> str:
    found: str = shop.namespace.get("configmap", target.name)["data"]["app.yaml"]
    return found


def test_a_text_is_changed_then_read_by_a_restart_and_both_are_undone(
    shop: Shop, people: People, configured: Workload
) -> None:
    entry = f"{configured.name}/app.yaml"
    old = text(shop, configured)
    request = asks(people.mira, "patch-config", configured, entry=entry, find="pool: 4\r\n", replace="")
    plan = admission.stored_plan(request)
    assert plan.changes[0].lines == (Line("data.app.yaml", "pool: 4\n", ""),)
    assert [step.id for step in plan.steps] == ["text", "restart"]
    run = work_off(request)
    assert run.state == ExecutionState.SUCCEEDED, run.cause
    assert text(shop, configured) == old.replace("pool: 4\n", "")
    assert seen(shop, configured).restarted_at == run.stamp
    shop.namespace.kubectl("patch", "configmap", configured.name, "-p", '{"data":{"more":"1"}}')

    assert undone(people, request).state == ExecutionState.SUCCEEDED

    assert text(shop, configured) == old


def test_whoever_takes_over_between_the_text_and_the_restart_does_each_once(
    shop: Shop, people: People, configured: Workload
) -> None:
    passage = {"entry": f"{configured.name}/app.yaml", "find": "level: info", "replace": "level: debug"}
    request = asks(people.mira, "patch-config", configured, **passage)
    settled(taken(request))
    execution.advance(taken(request))
    assert work_off(request).state == ExecutionState.SUCCEEDED
    ours = [each for each in shop.namespace.effects() if each["objectRef"]["name"] == configured.name]
    assert [each["objectRef"]["resource"] for each in ours] == ["configmaps", "deployments"]


def test_a_text_that_may_not_have_been_written_is_taken_back_so_that_it_cannot_be_written_late(
    shop: Shop, people: People, configured: Workload
) -> None:
    """It got no answer and had not happened yet when it was cancelled. What was on its way meets another version."""
    old = text(shop, configured)
    version = shop.namespace.get("configmap", configured.name)["metadata"]["resourceVersion"]
    passage = {"entry": f"{configured.name}/app.yaml", "find": "level: info", "replace": "level: debug"}
    request = asks(people.mira, "patch-config", configured, **passage)
    intended(taken(request))
    services.cancel(actor=people.mira, request=fresh(request))
    Execution.objects.filter(request=request).update(lease_until=timezone.now())
    assert work_off(request).state == ExecutionState.REVERTED
    assert text(shop, configured) == old
    assert shop.namespace.get("configmap", configured.name)["metadata"]["resourceVersion"] != version
    assert seen(shop, configured).restarted_at is None


def test_a_text_that_its_reader_falls_over_is_put_back(shop: Shop, people: People, configured: Workload) -> None:
    """The image is gone by the time of the restart; to the portal that is the same as a text that breaks it."""
    old = text(shop, configured)
    behaviour = '{"metadata":{"annotations":{"sandbox.afterdeck.dev/behaviour":"image-gone"}}}'
    shop.namespace.kubectl("patch", "deployment", configured.name, "-p", f'{{"spec":{{"template":{behaviour}}}}}')
    shop.namespace.roll_out("deployment", configured.name)
    template = seen(shop, configured).template_hash
    passage = {"entry": f"{configured.name}/app.yaml", "find": "level: info", "replace": "level: debug"}
    run = work_off(asks(people.mira, "patch-config", configured, **passage))
    assert run.state == ExecutionState.REVERTED, run.cause
    assert (text(shop, configured), seen(shop, configured).template_hash) == (old, template)


@pytest.mark.parametrize(
    ("params", "sentence"),
    [
        ({"find": "levle: info"}, "That passage is not in .*Near it is “level: info”"),
        ({"find": "info"}, "That passage is 2 times in"),
        ({"find": "pool: 4", "replace": "password: 'x'"}, "looks as if it held a credential"),
        ({"entry": "api-token", "find": "x"}, "api-token looks like the name of a credential"),
        ({"entry": "gone", "find": "x"}, "It reads no .*gone"),
    ],
)
def test_a_passage_that_is_not_quite_one_is_refused(
    shop: Shop, people: People, params: dict[str, str], sentence: str
) -> None:
    name = "refusing-config"
    data = {"app.yaml": "level: info\npool: 4\nlevels:\n  - info\n", "api-token": "x"}
    shop.namespace.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
    source = {"configMapRef": {"name": name}}
    shop.namespace.apply(manifest(name, envFrom=[source]))
    target = shop.knows(name, environment=shop.staging)
    entry = f"{name}/{params.get('entry', 'app.yaml')}"
    asked: dict[str, Any] = {"replace": "y", **params, "entry": entry, "restart": False}

    def refused() -> bool:
        """By now for that reason: at first the cluster has not numbered it yet."""
        with pytest.raises(CannotPlanNow) as refusal:
            asks(people.mira, "patch-config", target, **asked)
        return not refusal.value.temporary

    eventually(refused)
    with pytest.raises(CannotPlanNow, match=sentence):
        asks(people.mira, "patch-config", target, **asked)
