"""What cannot be planned is refused in words, before anybody is asked; and what should be known before signing is in the plan."""

from collections.abc import Iterator
from typing import Any

import pytest

from actions import services
from actions.admission import Preview
from actions.errors import BadParams, CannotPlanNow, NotFound
from actions.models import Request
from audit import queries
from connectors.kubernetes import KubernetesCluster
from inventory.models import Workload
from sandbox.stack import Endpoints
from tests.characters import People, Shop, asks
from tests.cluster import Namespace, autoscaler, eventually, made_namespace, workload

HELM = {"meta.helm.sh/release-name": "shop", "meta.helm.sh/release-namespace": "shop"}


def argo(namespace: str, name: str) -> dict[str, str]:
    return {"argocd.argoproj.io/tracking-id": f"shop:apps/Deployment:{namespace}/{name}"}


@pytest.fixture(scope="module")
def namespace(endpoints: Endpoints) -> Iterator[Namespace]:
    """Everything these tests only look at, started together."""
    with made_namespace(endpoints) as made:
        made.apply(
            workload("rested"),
            workload("paused", paused=True),
            workload("by-hand", kind="StatefulSet", updateStrategy={"type": "OnDelete"}),
            workload("parted", kind="StatefulSet", updateStrategy={"rollingUpdate": {"partition": 1}}),
            workload("nothing", replicas=0),
            workload("rolling"),
            workload("scaled", replicas=3),
            autoscaler("scaled", least=2, most=6),
            workload("from-git", replicas=1, annotations=argo(made.name, "from-git")),
            workload("from-helm", replicas=1, annotations=HELM),
            workload("everywhere", kind="DaemonSet"),
        )
        made.kubectl(
            "create", "poddisruptionbudget", "rested", "--min-available=2", "--selector=app.kubernetes.io/name=rested"
        )
        for name in ("rested", "rolling", "scaled", "from-git", "from-helm"):
            made.roll_out("deployment", name)
        made.roll_out("daemonset", "everywhere")
        made.apply(workload("rolling", behaviour="slow"))
        for name in ("by-hand", "parted"):
            eventually(lambda name=name: made.get("statefulset", name)["status"].get("readyReplicas") == 2)  # type: ignore[misc]
        yield made


def looks(people: People, target: Workload, action: str = "restart-workload", **params: Any) -> Preview:
    return services.preview(actor=people.mira, action=action, target=target.pk, params=params)


def figures(seen: Preview) -> dict[str, str]:
    return {impact.label: f"{impact.figure}: {impact.meaning}" for impact in seen.plan.impact}


@pytest.mark.parametrize(
    ("kind", "name", "sentence"),
    [
        ("Deployment", "paused", "The rollout is paused. Resume it first"),
        ("StatefulSet", "by-hand", "Its update strategy is OnDelete"),
        ("StatefulSet", "parted", "Its rollouts stop at partition 1"),
        ("Deployment", "nothing", "It has 0 replicas, so there is nothing to do. Resize it first."),
        ("Deployment", "rolling", "A rollout is in flight: "),
    ],
)
def test_what_would_not_be_a_restart_cannot_be_planned(
    shop: Shop, people: People, namespace: Namespace, kind: str, name: str, sentence: str
) -> None:
    target = shop.knows(name, kind=kind)
    before = namespace.get(kind, name)["spec"]
    with pytest.raises(CannotPlanNow, match=sentence) as refusal:
        asks(people.mira, "restart-workload", target)
    assert not refusal.value.temporary
    assert not Request.objects.exists()
    assert namespace.get(kind, name)["spec"] == before
    [event] = queries.events(queries.Filter(verb="plan.refused"))
    assert (event.actor, event.service) == ("mira", name)
    assert sentence in event.summary


def test_what_is_gone_or_was_replaced_cannot_be_planned(shop: Shop, people: People, namespace: Namespace) -> None:
    namespace.apply(workload("fleeting", replicas=0))
    target = shop.knows("fleeting")
    namespace.kubectl("delete", "deployment", "fleeting")
    with pytest.raises(CannotPlanNow, match=r"is gone from cluster sandbox\. Nothing is left to act on\."):
        looks(people, target)
    namespace.apply(workload("fleeting", replicas=0))
    with pytest.raises(CannotPlanNow, match="was replaced by another object of the same name"):
        looks(people, target)


def test_a_cluster_that_is_not_connected_is_named(shop: Shop, people: People) -> None:
    target = shop.knows("rested")
    shop.rename_cluster("elsewhere")
    with pytest.raises(CannotPlanNow, match=r"elsewhere.* Ask an administrator to connect it again\."):
        looks(people, target)


@pytest.mark.parametrize(
    ("name", "params", "sentence"),
    [
        ("rested", {"replicas": 2}, "It has 2 replicas already"),
        ("rested", {"replicas": 0}, "0 replicas switch it off. If that is meant, say so"),
        ("rested", {"min_replicas": 1, "max_replicas": 2}, "No autoscaler owns the replicas"),
        ("scaled", {"replicas": 4}, r"The autoscaler scaled sets the replicas \(2 to 6\) and would overwrite"),
        ("scaled", {"min_replicas": 2, "max_replicas": 6}, "The autoscaler has these bounds already"),
    ],
)
def test_a_size_that_makes_no_sense_cannot_be_planned(
    shop: Shop, people: People, name: str, params: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(CannotPlanNow, match=sentence):
        asks(people.mira, "resize-workload", shop.knows(name), **params)
    assert not Request.objects.exists()


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({}, "give either replicas, or min_replicas and max_replicas"),
        ({"replicas": 3, "min_replicas": 1, "max_replicas": 3}, "give either"),
        ({"min_replicas": 1}, "give both"),
        ({"min_replicas": 4, "max_replicas": 2}, "the minimum is larger than the maximum"),
        ({"replicas": 1001}, "less than or equal to 1000"),
        ({"min_replicas": 0, "max_replicas": 3}, "greater than or equal to 1"),
    ],
)
def test_params_that_contradict_themselves_are_refused(
    shop: Shop, people: People, params: dict[str, Any], reason: str
) -> None:
    with pytest.raises(BadParams, match=reason):
        asks(people.mira, "resize-workload", shop.knows("rested"), **params)
    assert not Request.objects.exists()


@pytest.mark.parametrize(
    "text",
    ["-1", "2147483648", "NaN", "1.0", "9" * 5000, "1_0", "٣", "0x3", "", "true", "\x00"],
    ids=lambda text: ascii(text)[:12],
)
def test_a_form_takes_whole_numbers_in_plain_digits_only(shop: Shop, people: People, text: str) -> None:
    with pytest.raises(BadParams) as refusal:
        services.submit(
            actor=people.mira, action="resize-workload", target=shop.knows("rested").pk, params={"replicas": text},
            reason="Load.", entrance="test", from_form=True,
        )  # fmt: skip
    assert "replicas" in refusal.value.fields
    assert not Request.objects.exists()


@pytest.mark.parametrize("reason", ["", " \n", "\x00", "x" * 2001], ids=lambda text: ascii(text)[:12])
def test_a_reason_is_wanted_and_not_a_book(shop: Shop, people: People, reason: str) -> None:
    with pytest.raises(BadParams) as refusal:
        asks(people.mira, "restart-workload", shop.knows("rested"), reason=reason)
    assert [*refusal.value.fields] == ["reason"]
    assert not Request.objects.exists()


def test_a_reason_that_no_database_can_hold_is_stored_as_far_as_it_can_be(shop: Shop, people: People) -> None:
    request = asks(people.mira, "restart-workload", shop.knows("rested"), reason="\x00It \ud800 hangs. ♥")
    assert request.reason == "It ? hangs. ♥"


@pytest.mark.parametrize("target", [0, -1, 2**31, 2**63, 10**30])
def test_a_target_that_is_not_there_is_not_found(people: People, target: int) -> None:
    with pytest.raises(NotFound, match="There is no such workload, or you may not see it"):
        services.submit(
            actor=people.mira, action="restart-workload", target=target, params={}, reason="Stuck.", entrance="test"
        )


@pytest.mark.parametrize(
    "action",
    ["", "restart", "../restart-workload", "restart-workload\n", "\ud800", "x" * 10_000],
    ids=lambda text: ascii(text)[:12],
)
def test_an_action_that_is_not_there_is_not_found(shop: Shop, people: People, action: str) -> None:
    with pytest.raises(NotFound) as refusal:
        asks(people.mira, action, shop.knows("rested"))
    assert len(str(refusal.value).encode()) < 500


def test_an_outsider_does_not_learn_that_a_workload_exists(shop: Shop, people: People) -> None:
    with pytest.raises(NotFound, match="There is no such workload, or you may not see it"):
        asks(people.leila, "restart-workload", shop.knows("rested"))


def test_a_daemonset_cannot_be_resized(shop: Shop, people: People) -> None:
    with pytest.raises(CannotPlanNow, match=r"Resize works on Deployment, StatefulSet\. DaemonSet .* is a DaemonSet\."):
        asks(people.mira, "resize-workload", shop.knows("everywhere", kind="DaemonSet"), replicas=3)


def test_a_size_that_the_quota_has_no_room_for_cannot_be_planned(
    shop: Shop, people: People, endpoints: Endpoints, cluster: KubernetesCluster
) -> None:
    with made_namespace(endpoints) as small:
        small.kubectl("create", "quota", "few", "--hard=pods=3")
        small.apply(workload("checkout"))
        small.roll_out("deployment", "checkout")
        eventually(lambda: small.get("quota", "few")["status"].get("used", {}).get("pods") == "2")
        target = shop.at(small).knows("checkout")
        with pytest.raises(CannotPlanNow, match=r"room for 1 more pod \(2 of 3 used\), and 2 more are asked for"):
            looks(people, target, "resize-workload", replicas=4)
        assert figures(looks(people, target, "resize-workload", replicas=3))["Quota"].startswith("2 to 3 of 3 pods")


def test_zero_has_to_be_meant(shop: Shop, people: People) -> None:
    target = shop.knows("rested", environment=shop.staging)
    seen = looks(people, target, "resize-workload", replicas=0, allow_zero=True)
    assert seen.plan.summary == "Resize rested, replicas 2 to 0"
    assert seen.plan.undo == {"replicas": 2, "allow_zero": False}


def test_a_plan_shows_the_change_and_how_available_it_stays(shop: Shop, people: People) -> None:
    seen = looks(people, shop.knows("rested"))
    [change] = seen.plan.changes
    assert [(line.path, line.before, line.after) for line in change.lines] == [
        ("spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt", "", "the time it runs")
    ]
    shown = figures(seen)
    assert shown["Availability"] == (
        "2 of 2 stay ready: A new pod must be ready before an old one goes. The disruption budget wants at least 2."
    )
    assert shown["Blast radius"].startswith("1 object, 2 pods")
    assert seen.plan.eject == (f"kubectl --context sandbox -n {shop.namespace.name} rollout restart deployment/rested",)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("from-git", "Argo CD, app shop: Whether it takes changes back could not be read."),
        ("from-helm", "Helm, release shop: The next upgrade of the release decides about the restart again."),
    ],
)
def test_a_plan_names_whoever_else_owns_the_object(shop: Shop, people: People, name: str, said: str) -> None:
    assert figures(looks(people, shop.knows(name)))["Owner"] == said
