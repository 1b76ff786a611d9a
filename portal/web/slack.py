"""What comes back from Slack when somebody clicks: signed by Slack, said by a member whom a person here has linked, and decided by the
same gate as everywhere else.

There is no session and no cookie here, so neither is CSRF: the signature of Slack over the whole body, five minutes old at most, is the
only way in. A click that comes twice meets the gate twice, which counts one vote.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import structlog
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from actions import queries, services
from actions.errors import Refused
from actions.models import Request
from audit import writer
from audit.events import SYSTEM, About, Event
from connectors.errors import ConnectorError
from connectors.slack import IN_A_CLICK, SlackConfig, Workspace, is_from_slack
from inventory.models import Person
from portal import what_next
from portal.notices import channels, chat, telling
from portal.notices.queries import person_in_slack

log = structlog.get_logger(__name__)

ENTRANCE = "slack"
SAID = {
    "rejected": "You rejected it. Whoever asked sees your reason.",
    "waiting": "You approved it. It waits for others.",
}


@dataclass(frozen=True)
class Click:
    """Who clicked what under which message. `value` is what our button carried, or what our form brought back."""

    team: str
    user: str
    action: str
    value: str
    channel: str
    message: str
    trigger: str = ""
    note: str = ""
    blocks: tuple[dict[str, Any], ...] = ()

    @property
    def is_form(self) -> bool:
        return self.action == chat.REJECT and not self.trigger

    @property
    def request_id(self) -> int:
        number = self.value.partition(":")[0]
        return int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0

    @property
    def digest(self) -> str:
        return self.value.partition(":")[2]


@csrf_exempt
@require_POST
def interactions(request: HttpRequest) -> HttpResponse:
    config = channels.slack_config()
    if config is None:
        raise Http404("Slack is not set up here.")
    timestamp, signature = (request.headers.get(f"X-Slack-{name}", "") for name in ("Request-Timestamp", "Signature"))
    if not is_from_slack(config, request.body, timestamp, signature):
        log.warning("slack.not_signed", size=len(request.body))
        return HttpResponse("This is not signed by Slack, or too old.", status=401, content_type="text/plain")
    try:
        click = _read(request.body)
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as problem:
        log.warning("slack.not_understood", problem=type(problem).__name__)
        return HttpResponse("This is no click on a message of ours.", status=400, content_type="text/plain")
    if click is None:
        return HttpResponse()  # a link was followed, say: Slack tells of that, too
    person = person_in_slack(click.team, click.user)
    if person is None:
        return _unlinked(config, click)
    found = queries.request_for(person, click.request_id)
    if found is None:
        return _reply(config, click, "There is no such request, or you may not see it.")
    if click.action == chat.REJECT and click.trigger:
        return _ask_why(config, click, found)
    return _vote(config, click, person, found)


def _vote(config: SlackConfig, click: Click, person: Person, found: Request) -> HttpResponse:
    if not chat.may_decide_here(found):
        link = channels.address(f"/requests/{found.pk}")
        why = "This sets a denial aside." if found.overrides else "The risk of this is high."
        return _reply(config, click, f"{why} Decide with the change in sight: {link}")
    try:
        outcome = services.vote(
            actor=person, request=found, approve=click.action == chat.APPROVE, digest=click.digest, note=click.note,
            entrance=ENTRANCE,
        )  # fmt: skip
    except Refused as refusal:
        return _reply(config, click, str(refusal))
    said = SAID.get(outcome.value) or f"You approved it. {_what_next(person, found)}".rstrip()
    if not click.blocks:
        return _below(config, click, said)
    blocks = chat.without_buttons(click.blocks, found.pk, said)
    _tell(lambda: Workspace(config, IN_A_CLICK).replace(click.channel, click.message, said, blocks))
    return HttpResponse()


def _what_next(person: Person, found: Request) -> str:
    now = queries.request_for(person, found.pk) or found  # with the run that it has now
    with timezone.override(person.zone):
        return what_next.sentence(now, timezone.now(), telling.moment)


def _ask_why(config: SlackConfig, click: Click, found: Request) -> HttpResponse:
    """A no has a reason: a form asks for it, and comes back as a click of its own."""
    where = chat.where_of(click.value, click.channel, click.message, click.blocks)
    try:
        Workspace(config, IN_A_CLICK).open_form(click.trigger, chat.form(found, where))
    except ConnectorError as problem:
        log.warning("slack.no_form", problem=problem.sentence, detail=problem.detail)
        return _reply(
            config, click, f"Slack did not show the form. Reject it here: {channels.address(f'/requests/{found.pk}')}"
        )
    return HttpResponse()


def _unlinked(config: SlackConfig, click: Click) -> HttpResponse:
    said = f"{click.action} from Slack: member {click.user} of {click.team} is linked to nobody here"
    with transaction.atomic():
        writer.record(
            Event("access.refused", SYSTEM, said[:400], About(request=_known(click.request_id)), {"tried": "vote"})
        )
    return _reply(
        config, click, f"Afterdeck does not know who you are. Link Slack first: {channels.address('/notices/settings')}"
    )


def _known(request_id: int) -> int | None:
    return request_id if Request.objects.filter(pk=request_id).exists() else None


def _reply(config: SlackConfig, click: Click, text: str) -> HttpResponse:
    """Say it where it was clicked: in the form, or below the message."""
    if click.is_form:
        return JsonResponse({"response_action": "errors", "errors": {"note": text[:150]}})
    return _below(config, click, text)


def _below(config: SlackConfig, click: Click, text: str) -> HttpResponse:
    _tell(lambda: Workspace(config, IN_A_CLICK).post(click.channel, chat.escaped(text), thread=click.message))
    return HttpResponse()


def _tell(say: Callable[[], None]) -> None:
    """Whatever was decided is decided, whether or not Slack takes the answer."""
    try:
        say()
    except ConnectorError as problem:
        log.warning("slack.not_told", problem=problem.sentence, detail=problem.detail)


def _read(body: bytes) -> Click | None:
    """The click in a signed body; `None` for what is none. Raises what a body raises that is not as Slack documents it."""
    payload = json.loads(parse_qs(body.decode(), strict_parsing=True)["payload"][0])
    user = payload["user"]
    team = str(user.get("team_id") or payload["team"]["id"])
    if payload["type"] == "view_submission" and payload["view"]["callback_id"] == chat.REJECT:
        value, channel, message, blocks = chat.read_where(payload["view"]["private_metadata"])
        note = payload["view"]["state"]["values"]["note"]["note"]["value"] or ""
        return Click(team, str(user["id"]), chat.REJECT, value, channel, message, note=str(note), blocks=blocks)
    if payload["type"] != "block_actions":
        return None
    action, where = payload["actions"][0], payload["container"]
    if action["action_id"] not in (chat.APPROVE, chat.REJECT):
        return None
    return Click(
        team, str(user["id"]), action["action_id"], str(action["value"]), str(where["channel_id"]), str(where["message_ts"]),
        trigger=str(payload["trigger_id"]), blocks=tuple(payload["message"]["blocks"]),
    )  # fmt: skip


urlpatterns = [path("slack/interactions", interactions, name="slack-interactions")]
