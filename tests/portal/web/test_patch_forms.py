"""The forms of the actions that change one field: filled in by hand, looked at, and sent."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from actions.models import Request
from inventory.models import Workload
from portal.web.goals import address_of
from tests.characters import People, Shop, work_off
from tests.cluster import Namespace, workload
from tests.portal.web.conftest import SignedIn

DIGEST = "registry.example/shop/checkout@sha256:" + "a" * 64


@pytest.fixture
def mira(people: People, signed_in: SignedIn) -> Client:
    return signed_in(people.mira)


@pytest.fixture
def catalog(shop: Shop, namespace: Namespace) -> Workload:
    """In staging, with a ConfigMap."""
    config = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"app.yaml": "a: 1\nb: 2\n"},
    }
    made = workload("catalog", replicas=1)
    source = {"configMapKeyRef": {"name": "settings", "key": "app.yaml"}}
    made["spec"]["template"]["spec"]["containers"][0]["env"] = [{"name": "SETTINGS", "valueFrom": source}]
    namespace.apply(config, made)
    namespace.roll_out("deployment", "catalog")
    return shop.knows("catalog", environment=shop.staging)


def sent(client: Client, action: str, on: Workload, **typed: str) -> Request:
    """Look at the plan, then ask for exactly that."""
    address = f"{reverse('action-plan', args=[on.service.slug, action])}?workload={on.pk}"
    seen = client.post(address, typed).content.decode()
    digest = re.search(r'name="digest" value="(\w{64})"', seen)
    assert digest, seen
    answer = client.post(address_of(action, on), {**typed, "digest": digest[1], "reason": "It has to be so."})
    assert answer.status_code == 302, answer.content.decode()
    return Request.objects.get()


def test_a_passage_of_several_lines_is_typed_and_becomes_a_diff(catalog: Workload, mira: Client, namespace: Namespace) -> None:  # fmt: skip
    page = mira.get(address_of("patch-config", catalog)).content.decode()
    assert 'value="settings/app.yaml" checked' in page
    assert "2 lines, read when it starts" in page
    assert page.count("<textarea") >= 2
    typed = {"entry": "settings/app.yaml", "find": "a: 1\r\nb: 2", "replace": "a: 1\r\nb: 3\r\nc: 4", "restart": "true"}

    request = sent(mira, "patch-config", catalog, **typed)

    shown = mira.get(reverse("request", args=[request.pk])).content.decode()
    assert "<del>-    b: 2</del>" in re.sub(r" +", lambda run: run[0] if len(run[0]) < 5 else "    ", shown)
    work_off(request)
    assert namespace.get("configmap", "settings")["data"] == {"app.yaml": "a: 1\nb: 3\nc: 4\n"}


def test_the_form_of_an_image_opens_with_the_one_that_runs(catalog: Workload, mira: Client) -> None:
    page = mira.get(address_of("patch-image", catalog)).content.decode()
    assert 'value="registry.example/shop/checkout:1.4.2"' in page
    assert 'name="as_in_revision"' not in page  # only an undo asks so
    request = sent(mira, "patch-image", catalog, container="app", image=DIGEST)
    assert (request.params["image"], request.params["take_over"]) == (DIGEST, False)


def test_the_form_of_a_roll_back_shows_what_each_would_change(
    catalog: Workload, mira: Client, namespace: Namespace
) -> None:
    namespace.apply(workload("catalog", replicas=1, image=DIGEST))
    namespace.roll_out("deployment", "catalog")
    page = mira.get(address_of("rollback-workload", catalog)).content.decode()
    assert "from now</summary>" in page
    assert f"{DIGEST}</del>" in page
