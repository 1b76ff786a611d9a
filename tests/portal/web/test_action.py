"""The form of an action, on the real cluster: what it shows before anybody asks, and that nothing typed is ever lost."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from actions.models import Request
from actions.states import RequestState
from inventory.models import Cluster, Workload
from portal.web.goals import address_of
from tests.characters import People, Shop, asks, work_off
from tests.cluster import Namespace, workload
from tests.portal.web.conftest import SignedIn

RESIZE, RESTART, ROLL_BACK = "resize-workload", "restart-workload", "rollback-workload"


@pytest.fixture
def mira(people: People, signed_in: SignedIn) -> Client:
    return signed_in(people.mira)


@pytest.fixture
def staged(shop: Shop, namespace: Namespace) -> Workload:
    """A Deployment of 2 in staging, where owners act at once."""
    namespace.apply(workload("catalog"))
    namespace.roll_out("deployment", "catalog")
    return shop.knows("catalog", environment=shop.staging)


def preview(client: Client, action: str, on: Workload, **typed: str) -> tuple[int, str]:
    answer = client.post(f"{reverse('action-plan', args=[on.service.slug, action])}?workload={on.pk}", typed)
    return answer.status_code, answer.content.decode()


def digest_in(page: str) -> str:
    found = re.search(r'name="digest" value="(\w{64})"', page)
    assert found, "There is no plan on the page."
    return found[1]


def looked_at(client: Client, action: str, on: Workload, **typed: str) -> str:
    return digest_in(preview(client, action, on, **typed)[1])


def test_the_form_opens_with_what_is_true_now(checkout: Workload, mira: Client) -> None:
    page = mira.get(address_of(RESIZE, checkout)).content.decode()
    assert 'name="replicas"' in page
    assert 'value="2" data-now="2" data-min="0" data-max="1000"' in page
    assert "2 of 2 ready" in page
    assert 'name="min_replicas"' not in page  # no autoscaler here, so nothing to bound


def test_the_form_of_a_roll_back_shows_the_revisions_that_there_are(
    checkout: Workload, mira: Client, namespace: Namespace
) -> None:
    for version in ("1.4.3", "1.4.4"):
        namespace.apply(workload("checkout", image=f"registry.example/shop/checkout:{version}"))
        namespace.roll_out("deployment", "checkout")
    page = mira.get(address_of(ROLL_BACK, checkout)).content.decode()
    offered = re.findall(r'type="radio" name="revision" value="(\d)"( checked)?', page)
    assert offered == [("2", " checked"), ("1", "")]
    assert "registry.example/shop/checkout:1.4.3" in page
    assert "Revision 2, made <relative-time" in page
    _, fragment = preview(mira, ROLL_BACK, checkout, revision="1")
    assert "-   image: registry.example/shop/checkout:1.4.4" in fragment
    assert "+   image: registry.example/shop/checkout:1.4.2" in fragment
    assert "--to-revision=1" in fragment
    form = {"revision": "1", "reason": "Slow since 1.4.3", "digest": digest_in(fragment), "key": "k"}
    mira.post(address_of(ROLL_BACK, checkout), form)
    assert Request.objects.get().params == {"revision": 1}


def test_a_roll_back_that_cannot_be_is_a_reason_and_not_a_proposal(checkout: Workload, mira: Client) -> None:
    page = mira.get(address_of(ROLL_BACK, checkout)).content.decode()
    assert "Cannot plan" in page
    assert "Revision 1 is the only one that the cluster keeps" in page
    status, fragment = preview(mira, ROLL_BACK, checkout, revision="1")
    assert status == 409
    assert "Nothing changes yet" not in fragment


def test_the_preview_says_who_must_agree_and_what_changes_and_writes_nothing(
    checkout: Workload, mira: Client, namespace: Namespace
) -> None:
    status, page = preview(mira, RESIZE, checkout, replicas="3")
    assert status == 200
    for part in ("Needs 1 of 2 approvers", "Ines", "Jonas", "production-needs-approver", "four-eyes", "-   replicas: 2",
                 "+   replicas: 3", "Ask for approval", "Asks Ines and Jonas. One is enough", "kubectl --context"):  # fmt: skip
        assert part in page
    assert not Request.objects.exists()
    assert namespace.effects() == []


def test_where_nobody_has_to_be_asked_the_button_says_that_it_runs_now(staged: Workload, mira: Client) -> None:
    _, page = preview(mira, RESTART, staged)
    assert "Runs now, nobody has to be asked" in page
    assert "Restart now" in page


def test_what_the_policy_forbids_is_said_before_the_click(
    checkout: Workload, mira: Client, namespace: Namespace
) -> None:
    namespace.kubectl("scale", "deployment/checkout", "--replicas=4")
    namespace.roll_out("deployment", "checkout")
    _, page = preview(mira, RESIZE, checkout, replicas="1")
    assert "production-shrink-at-most-half" in page
    assert "Denied by the policy, so it cannot be asked for" in page
    assert re.search(r'id="ask-button"[^>]* disabled', page)


def test_a_form_that_says_what_is_true_already_is_no_error(checkout: Workload, mira: Client) -> None:
    status, page = preview(mira, RESIZE, checkout, replicas="2")
    assert status == 200
    assert "Nothing changes yet" in page
    assert "Needs 1 of 2 approvers" in page


WRONG = {
    "-1": "At least 0.",
    "1001": "At most 1000.",
    "1.0": "whole number",
    "\uff14": "whole number",
    "9" * 5000: "whole number",
    "<img onerror=x>": "whole number",
    "": "Give either replicas",
}


def test_wrong_values_are_refused_with_their_field_and_nothing_typed_is_lost(checkout: Workload, mira: Client) -> None:
    digest = looked_at(mira, RESIZE, checkout, replicas="3")
    for typed, said in WRONG.items():
        status, fragment = preview(mira, RESIZE, checkout, replicas=typed)
        form = {"replicas": typed, "reason": "My <b>reason</b>", "digest": digest, "key": "k"}
        answer = mira.post(address_of(RESIZE, checkout), form)
        page = answer.content.decode()
        assert (status, answer.status_code) == (422, 422)
        assert said in fragment
        assert said in page
        assert "My &lt;b&gt;reason&lt;/b&gt;" in page
        assert "<img onerror" not in page
    assert not Request.objects.exists()


def test_without_a_reason_it_is_not_asked_for(checkout: Workload, mira: Client) -> None:
    digest = looked_at(mira, RESIZE, checkout, replicas="3")
    answer = mira.post(
        address_of(RESIZE, checkout), {"replicas": "3", "reason": " \x00 ", "digest": digest, "key": "k"}
    )
    assert answer.status_code == 422
    assert "Say why" in answer.content.decode()
    assert 'value="3"' in answer.content.decode()


def test_sent_twice_it_is_one_request(checkout: Workload, mira: Client) -> None:
    form = {
        "replicas": "3",
        "reason": "Load",
        "digest": looked_at(mira, RESIZE, checkout, replicas="3"),
        "key": "a" * 32,
    }
    first, second = mira.post(address_of(RESIZE, checkout), form), mira.post(address_of(RESIZE, checkout), form)
    only = Request.objects.get()
    assert first["Location"] == second["Location"] == reverse("request", args=[only.pk])
    assert (only.params["replicas"], only.reason, only.entrance) == (3, "Load", "browser")


def test_what_was_not_looked_at_is_not_asked_for(checkout: Workload, mira: Client) -> None:
    answer = mira.post(address_of(RESIZE, checkout), {"replicas": "3", "reason": "Load", "key": "k"})
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "Look at the plan first" in page
    assert not Request.objects.exists()
    mira.post(address_of(RESIZE, checkout), {"replicas": "3", "reason": "Load", "key": "k", "digest": digest_in(page)})
    assert Request.objects.get().state == RequestState.AWAITING_APPROVAL


def test_a_plan_that_changed_meanwhile_is_shown_and_everything_typed_stays(
    checkout: Workload, mira: Client, namespace: Namespace
) -> None:
    old = looked_at(mira, RESIZE, checkout, replicas="4")
    namespace.kubectl("scale", "deployment/checkout", "--replicas=3")
    namespace.roll_out("deployment", "checkout")
    answer = mira.post(
        address_of(RESIZE, checkout), {"replicas": "4", "reason": "Load at noon", "digest": old, "key": "k"}
    )
    page = answer.content.decode()
    assert answer.status_code == 409
    assert "The plan changed" in page
    assert "Load at noon" in page
    assert 'value="4"' in page
    assert "-   replicas: 3" in page
    assert digest_in(page) != old
    assert not Request.objects.exists()


def test_denied_at_the_door_leads_to_the_record_of_it(checkout: Workload, mira: Client, namespace: Namespace) -> None:
    namespace.kubectl("scale", "deployment/checkout", "--replicas=4")
    namespace.roll_out("deployment", "checkout")
    digest = looked_at(mira, RESIZE, checkout, replicas="1")
    answer = mira.post(
        address_of(RESIZE, checkout), {"replicas": "1", "reason": "Save", "digest": digest, "key": "k"}, follow=True
    )
    assert "Denied by the policy. Nothing has run." in answer.content.decode()
    assert Request.objects.get().state == RequestState.DENIED


def test_the_way_back_shows_its_plan_before_it_is_asked_for(staged: Workload, people: People, mira: Client) -> None:
    done = asks(people.mira, RESIZE, staged, replicas=3)
    work_off(done)
    page = mira.get(reverse("request", args=[done.pk])).content.decode()
    assert f"undo={done.pk}" in page
    where = address_of(RESIZE, staged, undo=done.pk)
    seen = mira.post(
        f"{reverse('action-plan', args=['catalog', RESIZE])}?workload={staged.pk}&undo={done.pk}", {}
    ).content.decode()
    assert "+   replicas: 2" in seen
    made = mira.post(where, {"reason": "Load is over", "digest": digest_in(seen), "key": "k"}, follow=True)
    assert f'Undo of <a href="{reverse("request", args=[done.pk])}">' in made.content.decode()
    undo = Request.objects.get(undo_of=done)
    assert (undo.params["replicas"], undo.state) == (2, RequestState.APPROVED)


def test_ask_again_brings_the_values_and_the_reason_along(checkout: Workload, people: People, mira: Client) -> None:
    earlier = asks(people.mira, RESIZE, checkout, reason="Peak at noon", replicas=5)
    page = mira.get(address_of(RESIZE, checkout, again=earlier.pk)).content.decode()
    assert 'value="5"' in page
    assert "Peak at noon" in page


def test_a_cluster_that_does_not_answer_is_a_reason_and_not_a_crash(checkout: Workload, mira: Client) -> None:
    Cluster.objects.update(name="gone")
    page = mira.get(address_of(RESTART, checkout))
    assert page.status_code == 200
    assert "Cannot plan" in page.content.decode()
    status, fragment = preview(mira, RESTART, checkout)
    assert status == 409
    assert "Try again" in fragment


def test_what_is_not_there_is_not_found(checkout: Workload, mira: Client) -> None:
    for query in ("workload=999999", "workload=x", "workload=1%00", "undo=5", "again=99999999999999999999"):
        assert mira.get(f"/services/checkout/{RESTART}?{query}").status_code == 404


def test_an_outsider_does_not_learn_whether_it_exists(checkout: Workload, people: People, signed_in: SignedIn) -> None:
    leila = signed_in(people.leila)
    assert leila.get(address_of(RESTART, checkout)).status_code == 404
    assert preview(leila, RESTART, checkout)[0] == 404
    assert leila.post(address_of(RESTART, checkout), {"reason": "x", "digest": "0" * 64}).status_code == 404


def test_only_a_post_with_the_forms_token_asks(checkout: Workload, people: People) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(people.mira, backend="django.contrib.auth.backends.ModelBackend")
    assert strict.post(address_of(RESTART, checkout), {"reason": "x"}).status_code == 403
    assert strict.get(f"{reverse('action-plan', args=['checkout', RESTART])}?workload={checkout.pk}").status_code == 405
