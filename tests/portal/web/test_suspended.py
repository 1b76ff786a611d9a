"""While auto-sync is suspended, the service says so, through which request, and what Git will take back."""

from django.test import Client
from django.urls import reverse

from actions.states import ExecutionState
from sandbox.stack import Endpoints
from tests.characters import People, Shop, asks, work_off
from tests.cluster import Namespace, workload
from tests.gitops import administrator, application, definitions, marks
from tests.portal.web.conftest import SignedIn


def test_a_service_says_that_it_is_suspended_and_what_has_drifted(
    shop: Shop, people: People, signed_in: SignedIn, namespace: Namespace, endpoints: Endpoints
) -> None:
    definitions(administrator(endpoints))
    owner, made = application("shop", selfHeal=True), workload("shop", replicas=0)
    marks(made, owner, namespace)
    namespace.apply(owner, made)
    target = shop.knows("shop", environment=shop.staging)
    request = asks(people.mira, "suspend-gitops", target, for_minutes=30)
    assert work_off(request).state == ExecutionState.SUCCEEDED

    mira, where = signed_in(people.mira), reverse("drift", args=["shop", target.pk])
    page = mira.get(reverse("service", args=["shop"])).content.decode()
    assert "is suspended until" in page
    assert reverse("request", args=[request.pk]) in page
    assert where in page
    assert "Nothing of this workload has drifted since." in mira.get(where).content.decode()

    namespace.kubectl("scale", "deployment/shop", "--replicas=1")
    assert "<code>spec.replicas</code> from 1 to 0" in mira.get(where).content.decode()
    assert signed_in(people.leila).get(where).status_code == 404
    assert Client().get(where).status_code == 302
