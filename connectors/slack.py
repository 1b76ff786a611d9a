"""A Slack workspace, as far as we speak with it: who has an e-mail address there, a message to a person, what a click sends back.

Whatever Slack says comes back as a sentence of ours. A token or a signing secret is read from its file when it is needed, and is in
no error.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from typing import Any, TypeVar

from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.signature import SignatureVerifier

from .errors import ConnectorError, Missing, Permanent, Transient, Unknown

Blocks = Sequence[Mapping[str, Any]]
T = TypeVar("T")

TRY_AGAIN = frozenset(
    {"ratelimited", "internal_error", "fatal_error", "service_unavailable", "request_timeout", "team_added_to_org"}
)
NOBODY = frozenset({"users_not_found", "user_not_found", "channel_not_found", "user_disabled", "account_inactive"})
IN_A_CLICK = 2
"""Seconds: Slack wants its answer to a click within three."""


@dataclass(frozen=True)
class SlackConfig:
    """`api` is another address than Slack's own only for a proxy, or for a test."""

    bot_token_file: Path
    signing_secret_file: Path
    api: str = WebClient.BASE_URL


@dataclass(frozen=True)
class Member:
    """Somebody in a workspace."""

    team: str
    user: str
    name: str


class Workspace:
    """`seconds` is how long an answer may take."""

    def __init__(self, config: SlackConfig, seconds: int = 10) -> None:
        self._config, self._seconds = config, seconds

    def member_with(self, email: str) -> Member:
        """Who has this e-mail address. Raises `Missing`, `Transient`, `Permanent`."""

        def look(client: Any) -> Member:
            user = client.users_lookupByEmail(email=email)["user"]
            return Member(
                str(user["team_id"]), str(user["id"]), str(user.get("real_name") or user.get("name") or user["id"])
            )

        return self._call(look)

    def post(self, channel: str, text: str, blocks: Blocks = (), thread: str | None = None) -> None:
        """To a channel, or to a person by their id. Slack shows `text` where it cannot show blocks."""
        self._call(
            lambda client: client.chat_postMessage(
                channel=channel,
                text=text,
                blocks=list(blocks) or None,
                thread_ts=thread,
                unfurl_links=False,
                unfurl_media=False,
            )
        )

    def replace(self, channel: str, message: str, text: str, blocks: Blocks) -> None:
        self._call(lambda client: client.chat_update(channel=channel, ts=message, text=text, blocks=list(blocks)))

    def open_form(self, trigger: str, view: Mapping[str, Any]) -> None:
        """Raises `Permanent` when the click was too long ago: a trigger works once, for three seconds."""
        self._call(lambda client: client.views_open(trigger_id=trigger, view=dict(view)))

    def _call(self, ask: Callable[[Any], T]) -> T:
        try:
            token = self._config.bot_token_file.read_text().strip()
            return ask(WebClient(token, base_url=self._config.api, timeout=self._seconds, retry_handlers=[]))
        except SlackApiError as problem:
            raise _of(problem) from None  # the vendor's text holds the whole answer
        except FileNotFoundError:
            raise Transient("The token for Slack is not where the settings say.") from None
        except (OSError, HTTPException) as problem:
            raise Unknown("Slack did not answer.", type(problem).__name__) from None
        except (SlackClientError, KeyError, TypeError, ValueError) as problem:
            raise Transient("The answer of Slack makes no sense.", type(problem).__name__) from None


def is_from_slack(config: SlackConfig, body: bytes, timestamp: str, signature: str) -> bool:
    """Whether Slack signed this, within the last five minutes. Raises `Transient` when our secret cannot be read."""
    try:
        secret = config.signing_secret_file.read_text().strip()
    except OSError:
        raise Transient("The signing secret of Slack is not where the settings say.") from None
    try:
        return bool(SignatureVerifier(secret).is_valid(body, timestamp, signature))
    except (ValueError, TypeError):  # a timestamp that is no number, a body or a signature that is no text
        return False


def _of(problem: Any) -> ConnectorError:
    said = str(problem.response.get("error", "")) if isinstance(problem.response.data, dict) else ""
    if said in NOBODY:
        return Missing("Slack knows nobody there by that address.", said)
    if said in TRY_AGAIN or problem.response.status_code in (429, 500, 502, 503, 504):
        return Transient("Slack cannot take it at the moment.", said)
    if not said:
        return Transient("The answer of Slack makes no sense.", str(problem.response.status_code))
    return Permanent(f"Slack refuses this: {said}.", said)
