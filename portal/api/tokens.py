"""Personal API tokens: made, shown once, recognised, and taken back; each making and taking back is on record.

A token is `afd_` and 256 random bits, so that a scanner for leaked credentials can find it and nobody can guess it. We keep its
SHA-256: a salt and a slow hash protect what people choose, and nobody chose this.
"""

import re
import secrets
from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256

import structlog
from django.db import transaction
from django.db.models import Q, QuerySet
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.request import Request

from actions.errors import BadParams, NotFound
from actions.services import actor_of
from audit import writer
from audit.events import Event
from inventory.models import Person
from portal.models import ApiToken, Scope

PREFIX = "afd_"
FORM = re.compile(r"afd_[A-Za-z0-9_-]{43}")
HINT = len(PREFIX) + 6
MAX_NAME = 100
MAX_DAYS = 90
MAX_ALIVE = 20
USE_IS_NOTED_EVERY = timedelta(minutes=1)


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer afd_…`. Any other scheme is left to whoever understands it."""

    def authenticate(self, request: Request) -> tuple[Person, ApiToken] | None:
        scheme, _, text = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer":
            return None
        token = recognise(text)
        if token is None:
            raise AuthenticationFailed("There is no such token. Look whether all of it was copied, or make a new one.")
        if token.revoked_at is not None:
            raise AuthenticationFailed(f"This token was revoked on {token.revoked_at:%Y-%m-%d}. Make a new one.")
        if token.expires_at <= timezone.now():
            raise AuthenticationFailed(f"This token expired on {token.expires_at:%Y-%m-%d}. Make a new one.")
        if not token.person.is_active:
            raise AuthenticationFailed("The account of this token is closed.")
        _note_use(token)
        structlog.contextvars.bind_contextvars(user_id=token.person_id, token_id=token.pk)
        return token.person, token

    def authenticate_header(self, request: Request) -> str:
        tried = "Authorization" in request.headers
        return 'Bearer realm="afterdeck", error="invalid_token"' if tried else 'Bearer realm="afterdeck"'


def recognise(text: str) -> ApiToken | None:
    """The token with this text, whatever has become of it. The database sees the hint only; the digest is compared here."""
    if not FORM.fullmatch(text):
        return None
    digest = sha256(text.encode()).hexdigest()
    rows = ApiToken.objects.filter(hint=text[:HINT]).select_related("person")
    return next((row for row in rows if secrets.compare_digest(row.digest, digest)), None)


def issue(*, actor: Person, name: str, scopes: Collection[str], days: int) -> tuple[ApiToken, str]:
    """Make a token. Returns its row and its text, which nobody can read again. Raises `BadParams`."""
    label = name.replace("\x00", "").strip()
    _check(label, scopes, days)
    text = PREFIX + secrets.token_urlsafe(32)
    now = timezone.now()
    with transaction.atomic():
        Person.objects.select_for_update(no_key=True).get(
            pk=actor.pk
        )  # two at once must not both be the last one allowed
        if alive(actor).count() >= MAX_ALIVE:
            raise BadParams({"name": [f"You have {MAX_ALIVE} tokens that work. Revoke one that you do not need."]})
        token = ApiToken.objects.create(
            person=actor, name=label, hint=text[:HINT], digest=sha256(text.encode()).hexdigest(),
            scopes=[scope for scope in Scope.values if scope in scopes], created_at=now, expires_at=now + timedelta(days=days),
        )  # fmt: skip
        details = {"token_id": token.pk, "scopes": token.scopes, "expires_at": token.expires_at.isoformat()}
        writer.record(
            Event("token.created", actor_of(actor), f"{label}: {', '.join(token.scopes)}, {days} days", details=details)
        )
    return token, text


def revoke(*, actor: Person, token_id: int) -> ApiToken:
    """Take a token of one's own back, at once and for good. A second time changes nothing. Raises `NotFound`."""
    with transaction.atomic():
        token = ApiToken.objects.select_for_update().filter(person=actor, pk=token_id).first()
        if token is None:
            raise NotFound("You have no such token.")
        if token.revoked_at is None:
            token.revoked_at = timezone.now()
            token.save(update_fields=["revoked_at"])
            writer.record(Event("token.revoked", actor_of(actor), token.name, details={"token_id": token.pk}))
    return token


def alive(person: Person) -> QuerySet[ApiToken]:
    """The person's tokens that work."""
    return ApiToken.objects.filter(person=person, revoked_at=None, expires_at__gt=timezone.now())


def _check(label: str, scopes: Collection[str], days: int) -> None:
    wrong: dict[str, list[str]] = {}
    if not label:
        wrong["name"] = ["Say what uses it, so that you know later which one to revoke."]
    elif len(label) > MAX_NAME:
        wrong["name"] = [f"At most {MAX_NAME} characters; these are {len(label)}."]
    if not scopes:
        wrong["scopes"] = ["Choose at least one."]
    elif strange := sorted(set(scopes) - set(Scope.values)):
        wrong["scopes"] = [f"There is no scope {strange[0][:40]!r}. Known: {', '.join(Scope.values)}."]
    if not 1 <= days <= MAX_DAYS:
        wrong["days"] = [f"From 1 to {MAX_DAYS} days."]
    if wrong:
        raise BadParams(wrong)


def _note_use(token: ApiToken) -> None:
    now = timezone.now()
    if token.last_used_at is None or token.last_used_at < now - USE_IS_NOTED_EVERY:
        stale = Q(last_used_at=None) | Q(last_used_at__lt=now - USE_IS_NOTED_EVERY)
        ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)
