"""The ways out: which of them are set up, which a person has, and what goes by each."""

from django.conf import settings

from connectors.slack import SlackConfig
from connectors.webhook import Pinned
from inventory.models import Person

from .models import Channel, Preference


def preference_of(person: Person) -> Preference:
    """What they chose, or the defaults."""
    found: Preference | None = getattr(person, "preference", None)
    return found or Preference(person=person)


def chosen_by(person: Person) -> list[tuple[Channel, list[str]]]:
    """The ways that lead to this person, with the kinds of notices they want by each."""
    preference = preference_of(person)
    return [(channel, getattr(preference, channel)) for channel in Channel if leads_to(person, channel)]


def minutes_between(person: Person) -> int:
    return preference_of(person).every_minutes


def leads_to(person: Person, channel: Channel) -> str:
    """Where it goes, in words; empty when it goes nowhere."""
    if not is_set_up(channel):
        return ""
    if channel is Channel.EMAIL:
        return person.email
    if channel is Channel.SLACK:
        link = getattr(person, "slack_link", None)
        return link.name if link else ""
    hook = getattr(person, "webhook", None)
    return hook.url if hook else ""


def is_set_up(channel: Channel) -> bool:
    configuration = settings.CONFIGURATION
    return {
        Channel.EMAIL: configuration.smtp is not None,
        Channel.SLACK: configuration.slack is not None,
        Channel.WEBHOOK: bool(pinned_hosts()),
    }[channel]


def slack_config() -> SlackConfig | None:
    said = settings.CONFIGURATION.slack
    return SlackConfig(said.bot_token_file, said.signing_secret_file, said.api) if said else None


def pinned_hosts() -> list[Pinned]:
    said = settings.CONFIGURATION
    private = [Pinned(host, private=True) for host in said.webhook_private_hosts]
    return private + [Pinned(host) for host in said.webhook_hosts]


def address(path: str = "") -> str:
    """Where people reach a page, for whoever reads outside."""
    return f"{str(settings.CONFIGURATION.base_url).rstrip('/')}{path}"
