"""What a plan says of whoever owns the object in Git, and what the policy is told of it."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from actions.autosync import Note, note_on
from actions.owners import ownership, self_heals
from actions.plans import Change, Line
from connectors.kubernetes import GitOpsOwner, ObjectRef, ReconcilerSeen

SIZE = Line("spec.replicas", "2", "4")
IMAGE = Line("spec.template.spec.containers[app].image", "shop:1", "shop:2")
STAMP = Line(
    "spec.template.metadata.annotations.kubectl.kubernetes.io/restartedAt", "2026-11-23T10:00:00Z", "when it runs"
)
ADDED = Line("spec.template.metadata.annotations.note", "", "yes")

ARGO = GitOpsOwner("argocd", "shop", True, True, "Application", within_seconds=5)
FLUX = GitOpsOwner("flux", "edge", True, True, "Kustomization", "flux-system", 600)
RELEASE = GitOpsOwner("flux", "api", True, False, "HelmRelease", "apps", 300)
NOTE = Note({"selfHeal": True}, "mira", "workload:1", datetime(2026, 11, 24, 14, 5, tzinfo=UTC))


def suspended(owner: GitOpsOwner, note: str) -> GitOpsOwner:
    seen = ReconcilerSeen(
        ObjectRef(owner.resource, "argocd", owner.application, "1"),
        "7",
        True,
        None,
        True,
        5,
        note,
        None,
        "OutOfSync",
        "",
    )
    return replace(owner, auto_sync=False, self_heal=False, reconciler=seen)


@pytest.mark.parametrize(
    ("owner", "lines", "sentence", "heals"),
    [
        (replace(ARGO, declares=frozenset({SIZE.path})), [SIZE, IMAGE],
         "This will be reverted in about 5 s by Argo CD, application shop: spec.replicas.", 1),
        (ARGO, [SIZE],
         "This will be reverted in about 5 s by Argo CD, application shop: spec.replicas. "
         "It does not say which fields are its own, so all that were there count.", 1),
        (ARGO, [STAMP, ADDED],  # what was not there, cannot be in Git
         "It takes changes back by itself, but leaves it alone: none of the fields that change is declared in Git.", 0),
        (replace(FLUX, declares=frozenset({"spec.template"})), [IMAGE],
         "This will be reverted at the next reconciliation, within 10 min, by Flux, Kustomization edge: "
         "spec.template.spec.containers[app].image.", 1),
        (replace(FLUX, declares=frozenset({IMAGE.path})), [SIZE],  # replicas that are not in Git are an autoscaler's, or somebody's
         "It takes changes back by itself, but leaves it alone: none of the fields that change is declared in Git.", 0),
        (RELEASE, [IMAGE],
         "It does not look for drift, and does not fight it. When it applies the next time, it decides again.", 0),
        (replace(ARGO, self_heal=False), [SIZE],
         "Self-heal is off: it shows OutOfSync and does not fight it. The next sync from Git decides again.", 0),
        (GitOpsOwner("argocd", "shop", resource="Application"), [SIZE], "Whether it takes changes back could not be read.", 0),
        (suspended(ARGO, NOTE.text), [SIZE],
         "mira suspended its auto-sync until 14:05 UTC on 24 November. Then it takes it back: spec.replicas.", 0),
        (suspended(replace(FLUX, declares=frozenset()), NOTE.text), [SIZE],
         "mira suspended its auto-sync until 14:05 UTC on 24 November. It leaves it alone also then.", 0),
        (suspended(FLUX, ""), [SIZE],
         "It is suspended, and does not fight it. When it applies the next time, it decides again.", 0),
    ],
)  # fmt: skip
def test_a_plan_says_whether_and_when_its_change_is_taken_back(owner, lines, sentence, heals):
    changes = [Change("Deployment shop/shop", tuple(lines))]

    [said] = ownership(owner, "it", changes)

    assert said.meaning == sentence
    assert self_heals(owner, changes) == heals
    assert said.worry == bool(heals or owner.self_heal is None)


def test_nobody_owns_what_names_nobody():
    assert ownership(None, "it", []) == ()
    assert self_heals(None, [Change("x", (SIZE,))]) == 0


@pytest.mark.parametrize(
    "note", ["", "{", "[]", "7", '{"by":"mira"}', '{"before":1,"by":"x","through":"y","until":"soon"}', "\ud800"]
)
def test_a_note_that_makes_no_sense_is_not_ours(note):
    reconciler = suspended(ARGO, note).reconciler
    assert reconciler is not None
    assert note_on(reconciler) is None


def test_a_note_says_what_to_put_back():
    reconciler = suspended(ARGO, NOTE.text).reconciler
    assert reconciler is not None
    assert note_on(reconciler) == NOTE
