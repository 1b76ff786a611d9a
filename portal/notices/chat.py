"""Notices as a message in Slack, with buttons where somebody is asked to decide, the risk is not high and no denial is set aside.

A button carries the request and the digest it was asked about, so that a click on an old message decides nothing about a new plan.
What is risky is decided where the change is in sight: there the only button leads to its page.
"""

import base64
import json
import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from actions.models import Request
from actions.protocol import Risk
from actions.states import RequestState
from connectors.errors import Permanent
from connectors.slack import Workspace

from .channels import address, slack_config
from .models import Delivery, Kind, Notice

SHOWN = 10
MOST_WHERE, MOST_BLOCKS = 3000, 200_000
"""Characters: what Slack keeps for a form, and what may become of it when it comes back."""
APPROVE, REJECT, LOOK = "approve", "reject", "look"
Block = dict[str, Any]


def post_of(delivery: Delivery, notices: Sequence[Notice]) -> Callable[[], None]:
    """What sends it; that raises `Transient`, `Unknown` or `Permanent`. Raises `Permanent`."""
    config = slack_config()
    if config is None:
        raise Permanent("Slack is not set up any more.")
    shown = notices[:SHOWN]
    asked = Request.objects.in_bulk([each.request_id for each in shown if each.kind == Kind.DECIDE and each.request_id])
    blocks = [block for notice in shown for block in _blocks(notice, asked.get(notice.request_id or 0))]
    if (more := len(notices) - len(shown)) > 0:
        blocks.append(_said(f"And {more} more in your inbox: {address('/notices')}"))
    return partial(Workspace(config).post, delivery.person.slack_link.user, _fallback(notices), blocks)


def may_decide_here(request: Request) -> bool:
    """Whether this can be decided without the plan on the screen."""
    return request.risk < Risk.HIGH and not request.overrides


def value_of(request: Request) -> str:
    return f"{request.pk}:{request.digest}"


def block_id(request_id: int) -> str:
    return f"decide-{request_id}"


def _blocks(notice: Notice, request: Request | None) -> list[Block]:
    buttons: list[Block] = []
    if request is not None and request.state == RequestState.AWAITING_APPROVAL and may_decide_here(request):
        value = value_of(request)
        buttons = [_button(APPROVE, "Approve", value=value, style="primary"), _button(REJECT, "Reject …", value=value)]
    look = _button(LOOK, "Look at it", url=address(notice.path))
    actions = {"type": "actions", "elements": [*buttons, look]}
    if buttons and request is not None:
        actions["block_id"] = block_id(request.pk)
    return [_said(notice.text), actions]


def _said(text: str) -> Block:
    # Plain text, not Slack's markup: a summary could name everybody, or lead elsewhere.
    return {"type": "section", "text": {"type": "plain_text", "text": text, "emoji": False}}


def _button(action: str, label: str, **fields: str) -> Block:
    return {
        "type": "button",
        "action_id": action,
        "text": {"type": "plain_text", "text": label, "emoji": False},
        **fields,
    }


def _fallback(notices: Sequence[Notice]) -> str:
    return escaped(notices[0].text) if len(notices) == 1 else f"{len(notices)} notices from Afterdeck"


def escaped(text: str) -> str:
    """As Slack wants text that it must not read as markup."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def where_of(value: str, channel: str, message: str, blocks: Sequence[Block]) -> str:
    """What a form brings back, to answer its question in the message: without the blocks when Slack would not keep so much."""
    packed = _packed([value, channel, message, list(blocks)])
    return packed if len(packed) <= MOST_WHERE else _packed([value, channel, message, []])


def read_where(text: str) -> tuple[str, str, str, tuple[Block, ...]]:
    """Raises `ValueError`, `TypeError`."""
    try:
        value, channel, message, blocks = json.loads(
            zlib.decompressobj().decompress(base64.b64decode(text), MOST_BLOCKS)
        )
    except zlib.error as problem:
        raise ValueError("This is no place that a form of ours came from.") from problem
    return str(value), str(channel), str(message), tuple(dict(block) for block in blocks)


def _packed(where: list[Any]) -> str:
    return base64.b64encode(zlib.compress(json.dumps(where).encode(), 9)).decode()


def form(request: Request, where: str) -> Block:
    """What asks for the reason of a no. `where` comes back with it."""
    return {
        "type": "modal",
        "callback_id": REJECT,
        "private_metadata": where,
        "title": {"type": "plain_text", "text": "Reject"},
        "submit": {"type": "plain_text", "text": "Reject"},
        "blocks": [
            _said(request.summary[:300]),
            {
                "type": "input",
                "block_id": "note",
                "label": {"type": "plain_text", "text": "Why"},
                "element": {"type": "plain_text_input", "action_id": "note", "multiline": True, "max_length": 2000},
            },
        ],
    }


def without_buttons(blocks: Sequence[Block], request_id: int, said: str) -> list[Block]:
    """The blocks of a message after one of its questions was answered."""
    return [_said(said) if block.get("block_id") == block_id(request_id) else block for block in blocks]
