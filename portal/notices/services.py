"""What a person does about their notices: read them, choose what reaches them where, link Slack, set a webhook, try again."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

from django.core import signing
from django.db import IntegrityError, transaction
from django.urls import reverse
from django.utils import timezone

from actions.errors import BadParams, NotFound, TooLate
from actions.services import actor_of
from audit import writer
from audit.events import Event
from connectors import webhook
from connectors.errors import ConnectorError, Missing
from connectors.slack import Workspace
from inventory.models import Person

from .channels import address, pinned_hosts, preference_of, slack_config
from .hooks import secret_of
from .models import Channel, Delivery, Kind, Notice, Preference, SlackLink, Webhook

SALT = "afterdeck.slack-link"
LINK_LASTS = timedelta(minutes=15)
LONGEST_BETWEEN = 24 * 60
READ_LASTS, UNREAD_LASTS = timedelta(days=90), timedelta(days=365)


def mark_read(*, actor: Person, notice_id: int) -> Notice:
    """Raises `NotFound`, also for somebody else's."""
    notice = Notice.objects.filter(person=actor, pk=notice_id).first()
    if notice is None:
        raise NotFound("There is no such notice.")
    Notice.objects.filter(pk=notice.pk, read_at=None).update(read_at=timezone.now())
    return notice


def mark_all_read(*, actor: Person, up_to: int) -> int:
    """Those that were on the page; what came since stays new. Returns how many."""
    return Notice.objects.filter(person=actor, read_at=None, pk__lte=up_to).update(read_at=timezone.now())


def choose(*, actor: Person, wanted: Mapping[Channel, Iterable[str]], every_minutes: int) -> Preference:
    """The same again changes nothing. Raises `BadParams`."""
    if not 0 <= every_minutes <= LONGEST_BETWEEN:
        raise BadParams({"every_minutes": [f"Choose 0 to {LONGEST_BETWEEN} minutes."]})
    chosen: dict[str, Any] = {
        channel.value: [kind.value for kind in Kind if kind.value in set(wanted.get(channel, ()))]
        for channel in Channel
    }
    chosen["every_minutes"] = every_minutes
    with transaction.atomic():
        kept = preference_of(Person.objects.select_for_update(no_key=True).get(pk=actor.pk))
        if any(getattr(kept, name) != value for name, value in chosen.items()):
            kept, _ = Preference.objects.update_or_create(person=actor, defaults=chosen)
            said = f"at most one message in {every_minutes} min" if every_minutes else "each at once"
            writer.record(Event("notices.chosen", actor_of(actor), said, details=chosen))
    return kept


def try_again(*, actor: Person, delivery_id: int) -> None:
    """Send once more what was given up, also what was read meanwhile. Raises `NotFound`, `TooLate`."""
    _revise(
        actor,
        delivery_id,
        stage=Delivery.Stage.SENDING,
        insisted=True,
        attempts=0,
        due_at=timezone.now(),
        ended_at=None,
    )


def dismiss(*, actor: Person, delivery_id: int) -> None:
    """Let it rest that a message was given up. Raises `NotFound`, `TooLate`."""
    _revise(actor, delivery_id, stage=Delivery.Stage.DROPPED)


def _revise(actor: Person, delivery_id: int, **values: Any) -> None:
    mine = Delivery.objects.filter(person=actor, pk=delivery_id)
    if not mine.exists():
        raise NotFound("There is no such message.")
    if mine.filter(stage=Delivery.Stage.DEAD).update(**values) != 1:
        raise TooLate("This message was not given up, or you have said already what to do about it.")


def set_webhook(*, actor: Person, url: str) -> str:
    """Post this person's notices there from now on, and return the secret that signs them, to be shown once. Raises `BadParams`."""
    try:
        place = webhook.place_of(url.strip(), pinned_hosts())
    except ConnectorError as problem:
        raise BadParams({"url": [problem.sentence]}) from problem
    with transaction.atomic():
        values = {"url": url.strip(), "salt": uuid4(), "set_at": timezone.now()}
        hook, _ = Webhook.objects.update_or_create(person=actor, defaults=values)
        writer.record(Event("webhook.set", actor_of(actor), place.host))  # not its path: some are as good as a password
    return secret_of(hook)


def remove_webhook(*, actor: Person) -> None:
    with transaction.atomic():
        hook = Webhook.objects.select_for_update().filter(person=actor).first()
        if hook is not None:
            hook.delete()
            writer.record(Event("webhook.removed", actor_of(actor), urlsplit(hook.url).hostname or ""))


def ask_slack(*, actor: Person) -> str:
    """Send a link to whoever has this person's e-mail address in Slack, and return their name there. Raises `BadParams`.

    Opening it links nothing: only this person can, signed in here, by saying so on the page it leads to.
    """
    config = slack_config()
    if config is None or not actor.email:
        raise BadParams(
            {"slack": ["Slack is not set up here." if config is None else "Your account has no e-mail address."]}
        )
    try:
        workspace = Workspace(config)
        member = workspace.member_with(actor.email)
        token = signing.dumps([actor.pk, member.team, member.user, member.name[:120]], salt=SALT)
        link = address(f"{reverse('slack-link')}?token={token}")
        text = f"To decide requests of Afterdeck from here, open this within {LINK_LASTS.seconds // 60} minutes and say yes: <{link}>"
        workspace.post(member.user, text)
    except Missing:
        raise BadParams({"slack": [f"Nobody in Slack has the address {actor.email}."]}) from None
    except ConnectorError as problem:
        raise BadParams({"slack": [problem.sentence]}) from problem
    return member.name


def read_link(person: Person, token: str) -> SlackLink:
    """What a link would link, unsaved. Raises `NotFound` when it is not this person's, too old, or not ours."""
    try:
        owner, team, user, name = signing.loads(token, salt=SALT, max_age=LINK_LASTS)
    except (signing.BadSignature, ValueError, TypeError):
        raise NotFound("This link is too old, or not whole. Ask for another one on your notices page.") from None
    if owner != person.pk:
        raise NotFound("This link was made for somebody else. Sign in as them, or ask for one of your own.")
    return SlackLink(person=person, team=team, user=user, name=name, linked_at=timezone.now())


def link_slack(*, actor: Person, token: str) -> SlackLink:
    """Raises `NotFound`, `TooLate`."""
    link = read_link(actor, token)
    values = {"team": link.team, "user": link.user, "name": link.name, "linked_at": link.linked_at}
    try:
        with transaction.atomic():
            made, _ = SlackLink.objects.update_or_create(person=actor, defaults=values)
            said = f"{link.name}, {link.user} in {link.team}"
            writer.record(Event("slack.linked", actor_of(actor), said, details={"team": link.team, "user": link.user}))
    except IntegrityError:
        raise TooLate(
            "This member of the workspace is linked to another account here. Unlink that one first."
        ) from None
    return made


def unlink_slack(*, actor: Person) -> None:
    with transaction.atomic():
        link = SlackLink.objects.select_for_update().filter(person=actor).first()
        if link is not None:
            link.delete()
            said = f"{link.name}, {link.user} in {link.team}"
            writer.record(
                Event("slack.unlinked", actor_of(actor), said, details={"team": link.team, "user": link.user})
            )


def forget_old() -> int:
    """Let go of what was read or sent three months ago, and of what nobody has read in a year: the record has what happened."""
    now = timezone.now()
    old = now - READ_LASTS
    gone = Delivery.objects.filter(ended_at__lt=old).delete()[0]
    gone += Notice.objects.filter(at__lt=old).exclude(read_at=None).delete()[0]
    return gone + Notice.objects.filter(at__lt=now - UNREAD_LASTS).delete()[0]
