"""What another policy would have answered to past requests: an earlier version, or a text that is edited or uploaded here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from actions import policies, queries
from actions.replaying import MOST_REQUESTS, SECONDS, Difference, Kind, Replay, replay
from approvals import loader, versions
from approvals.loader import TESTS, Policy
from approvals.models import PolicyVersion
from approvals.reading import MAX_CHARACTERS, BadPolicy
from inventory.models import Person

from .door import signed_in
from .policy import tested_of

WINDOWS = {"7": "7 days", "30": "30 days", "90": "90 days"}
USUAL = "30"
MOST_SHOWN = 200
MOST_FILES = 20
TITLES = {
    Kind.LOOSER: ("Would be let through with less", "degraded"),
    Kind.STRICTER: ("Would need more, or be denied", "denied"),
    Kind.OTHERWISE: ("Would be answered the same, by other rules or people", "awaiting_approval"),
}


@dataclass(frozen=True)
class Group:
    """The differences of one kind; `more` were found and are not shown."""

    title: str
    state: str
    shown: tuple[Difference, ...]
    more: int


@never_cache
@signed_in
@require_http_methods(["GET", "HEAD", "POST"])
def index(request: HttpRequest, person: Person) -> HttpResponse:
    days = request.POST.get("days", request.GET.get("days", USUAL))
    days = days if days in WINDOWS else USUAL
    version = request.GET.get("version", "")
    files: Mapping[str, str] = _of_version(version).files if version else policies.current_policy().files
    found, changes, problem = None, "", ""
    if request.method == "POST" or version:
        try:
            files = files if request.method != "POST" else _sent(request)
            candidate = loader.load_texts(files)
            present = policies.current_policy()
            changes = versions.changes_between(present, candidate).sentence
            found = _replay(person, candidate, present, int(days))
        except BadPolicy as wrong:
            problem = str(wrong)
    context = {
        "section": "policy",
        "files": list(files.items()),
        "windows": WINDOWS,
        "days": days,
        "window": WINDOWS[days],
        "version": version,
        "versions": PolicyVersion.objects.defer("files")[:MOST_FILES],
        "problem": problem,
        "found": found,
        "changes": changes,
        "groups": _groups(found) if found else (),
        "tested": tested_of(candidate) if found else None,
    }
    return render(request, "policy_replay.html", context, status=422 if problem else 200)


def _replay(person: Person, candidate: Policy, present: Policy, days: int) -> Replay:
    """Over what this person sees, and no longer than somebody waits for a page."""
    seen = queries.requests_visible_to(person).filter(created_at__gte=timezone.now() - timedelta(days=days))
    return replay(candidate, present, seen, limit=MOST_REQUESTS, seconds=SECONDS)


def _groups(found: Replay) -> list[Group]:
    groups = [(title, state, found.of(kind)) for kind, (title, state) in TITLES.items()]
    return [
        Group(title, state, each[:MOST_SHOWN], max(0, len(each) - MOST_SHOWN)) for title, state, each in groups if each
    ]


def _sent(request: HttpRequest) -> dict[str, str]:
    """The files as they were edited, with those that were uploaded instead of or beside them. Raises `BadPolicy`."""
    names, texts = request.POST.getlist("name")[:MOST_FILES], request.POST.getlist("text")[:MOST_FILES]
    files = {name[:100]: text.replace("\r\n", "\n") for name, text in zip(names, texts, strict=False) if text.strip()}
    for upload in request.FILES.getlist("upload")[:MOST_FILES]:
        name = (upload.name or "uploaded.yaml")[:100]
        if name.endswith(TESTS):
            continue
        if (upload.size or 0) > MAX_CHARACTERS * 4:
            raise BadPolicy(f"{name}: too large; at most {MAX_CHARACTERS} characters.")
        try:
            files[name] = upload.read().decode()
        except UnicodeDecodeError as problem:
            raise BadPolicy(f"{name}:1: not UTF-8, at byte {problem.start}.") from problem
    if sum(map(len, files.values())) > MAX_CHARACTERS:
        raise BadPolicy(f"{MAX_CHARACTERS} characters at most, in all files together.")
    return files


def _of_version(digest: str) -> PolicyVersion:
    found = PolicyVersion.objects.filter(digest=digest.replace("\x00", "")).first()
    if found is None:
        raise Http404("No such policy was ever read.")
    return found


urlpatterns = [path("policy/replay", index, name="policy-replay")]
