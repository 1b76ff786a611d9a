"""The words, icons and small pictures that every page shares; registered as a builtin, so no template loads it.

A state is a value of `actions.states` or one of the few that only pages know. Its word and icon come from the table below; its
colour comes from the stylesheet, by `data-state`.
"""

from datetime import datetime, timedelta
from typing import Any

from django import template
from django.template import Context
from django.templatetags.static import static
from django.urls import reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from actions import scheduled
from actions.models import Request
from actions.states import ExecutionState, RequestState
from portal.web import looking, words

register = template.Library()

R, E = RequestState, ExecutionState

ICONS: dict[str, str] = {
    R.AWAITING_APPROVAL: "clock",
    R.APPROVED: "circle-check-f",
    R.REJECTED: "circle-x-f",
    R.EXPIRED: "hourglass",
    R.WITHDRAWN: "ban",
    R.STALE: "git-compare",
    R.DENIED: "ban",
    E.QUEUED: "circle-dashed",
    E.RUNNING: "loader-2",
    E.WAITING: "clock",
    E.VERIFYING: "loader-2",
    E.REVERTING: "loader-2",
    E.SUCCEEDED: "circle-check-f",
    E.REVERTED: "arrow-back-up",
    E.FAILED: "circle-x-f",
    E.CANCELLED: "ban",
    E.NEEDS_HUMAN: "hand-stop",
    "allowed": "bolt",
    "needed": "user-check",
    "ready": "circle-check-f",
    "degraded": "alert-triangle-f",
    "ending": "hourglass",
    "unknown": "plug-connected-x",
    "none": "minus",
}
WORDS: dict[str, str] = {
    **dict(RequestState.choices),
    **dict(ExecutionState.choices),
    "allowed": "Runs now",
    "needed": "Needs approval",
    "ready": "Healthy",
    "degraded": "Degraded",
    "ending": "Ends soon",
    "unknown": "Not known",
    "none": "Nothing runs",
}
TICKS = timedelta(hours=20)
"""The browser's element would say "yesterday" of 21 hours ago, whatever the calendar says."""

MOST_PLANKS = 40
"""Above this many pods a picture says less than the fraction."""


@register.simple_tag
def icon(name: str, label: str = "", extra: str = "") -> SafeString:
    """An icon of the sprite: decoration, or an image with a name when `label` is given."""
    speech = format_html('role="img" aria-label="{}"', label) if label else mark_safe('aria-hidden="true"')
    classes = f"icon {extra}".strip()
    return format_html(
        '<svg class="{}" {}><use href="{}#{}"/></svg>', classes, speech, static("portal/vendor/icons.svg"), name
    )


@register.simple_tag
def to() -> SafeString:
    """The arrow between an old value and a new one."""
    return icon("arrow-narrow-right", "to", "ad-to")


@register.filter
def state_word(state: str) -> str:
    return WORDS.get(state, state.replace("_", " ").capitalize())


@register.filter
def state_icon(state: str) -> str:
    return ICONS.get(state, "circle-dashed")


@register.simple_tag
def when(at: datetime | None) -> SafeString | str:
    """A past moment: relative and ticking for hours, then weekday, then date. The full one is in its title."""
    if at is None:
        return "never"
    age = timezone.now() - at
    full = words.full(at)
    if age < TICKS:
        return format_html(
            '<relative-time datetime="{}" lang="en-GB" format="relative" format-style="short" title="{}">{}</relative-time>',
            at.isoformat(), full, _ago(age),
        )  # fmt: skip
    return format_html('<time datetime="{}" title="{}">{}</time>', at.isoformat(), full, words.moment(at))


def _ago(age: timedelta) -> str:
    """What the browser's relative-time element will say, so that the text does not jump when it wakes up."""
    seconds = int(age.total_seconds())
    for size, unit in ((3600, "hr"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} sec ago" if seconds > 0 else "now"


@register.simple_tag
def ticking(since: datetime | None, until: datetime | None = None) -> SafeString | str:
    """How long something has taken: ticking in the browser while it lasts, fixed once `until` is known."""
    if since is None:
        return ""
    end = until or timezone.now()
    text = words.span(max(1.0, (end - since).total_seconds()))
    if until is not None:
        return text
    return format_html('<time data-ticking="{}">{}</time>', since.isoformat(), text)


@register.simple_tag
def countdown(until: datetime) -> SafeString:
    """How long something still lasts: counted down in the browser."""
    left = max(0.0, (until - timezone.now()).total_seconds())
    return format_html('<time data-until="{}">{}</time>', until.isoformat(), words.span(left))


@register.filter
def span(seconds: float | timedelta) -> str:
    """1 min 38 s."""
    return words.span(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)


@register.filter
def roughly(seconds: float | timedelta) -> str:
    """2 min."""
    return words.roughly(seconds.total_seconds() if isinstance(seconds, timedelta) else seconds)


@register.filter
def moment(at: datetime) -> str:
    """14:26, or Mon 14:26, or a date."""
    return words.moment(at)


@register.filter
def zoned(at: datetime) -> str:
    """Wed 02:00 UTC."""
    return words.zoned(at)


@register.filter
def runs_at(request: Request) -> datetime | None:
    """When it is to run, while that lies ahead."""
    return scheduled.runs_at(request, timezone.now())


@register.filter
def full(at: datetime) -> str:
    """Tue 24 Nov 2026, 14:26:05 CET."""
    return words.full(at)


@register.filter
def exact(at: datetime) -> str:
    """14:21:40.090, with its day unless that is today."""
    return words.exact(at)


@register.filter
def grouped(number: int) -> str:
    """1 048 306."""
    return words.grouped(number)


@register.filter
def people(names: list[str], joint: str = "and") -> str:
    """Jonas, Ines and Priya."""
    return words.people(names, joint)


@register.filter
def with_short_hashes(text: str) -> str:
    return words.with_short_hashes(text)


@register.filter
def initial(name: str) -> str:
    return name[:1].upper()


@register.simple_tag
def digest(value: str) -> SafeString:
    """Eight characters in two groups; the whole one in the title, and on a click in the clipboard."""
    short = words.short_digest(value)
    return format_html('<code class="ad-digest" title="{}" data-copy="{}">{}</code>', value, value, short)


@register.simple_tag(takes_context=True)
def rule(context: Context, name: str, apart: object = None) -> SafeString:
    """The name of a rule, and where to read it while it is in the policy. `apart`: beside the page, which holds what somebody typed."""
    shell = context.get("shell")
    if shell is None or name not in shell.rules:
        return format_html("<code>{}</code>", name)
    beside = mark_safe(' target="_blank" title="Opens beside this page"') if apart else ""
    return format_html('<code><a href="{}#rule-{}"{}>{}</a></code>', reverse("policy"), name, beside, name)


@register.simple_tag(takes_context=True)
def looked(context: Context, digest: str) -> str:
    """For a form that decides about a plan: when it came on the screen of who looks at it."""
    return looking.stamp(context["user"], digest)


@register.inclusion_tag("_planks.html")
def planks(ready: int, wanted: int, starting: int = 0, failed: int = 0, room: int = 0) -> dict[str, Any]:
    """One plank a pod: full is ready, half is starting, hollow has failed, dashed is room up to the maximum."""
    parts = [(ready, "ready"), (starting, "starting"), (failed, "failed")]
    said = [f"{count} {name}" for count, name in parts if count] or ["none ready"]
    sentence = f"{ready} of {wanted} ready" if not (starting or failed) else ", ".join(said)
    if room:
        sentence = f"{sentence}, room for {room} more"
    drawn = ready + starting + failed + room
    kinds = ["", "starting", "failed", "gone"]
    counts = [ready, starting, failed, room]
    return {
        "sentence": sentence,
        "planks": [kind for kind, count in zip(kinds, counts, strict=True) for _ in range(count)]
        if drawn <= MOST_PLANKS
        else [],
    }
