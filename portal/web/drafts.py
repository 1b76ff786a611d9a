"""What a person has filled in so far of an action's form, and what the form opens with."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import uuid4

from actions import services
from actions.errors import Refused
from actions.models import Request
from actions.protocol import Params
from actions.terms import Terms
from audit.canonical import digest as hashed

from . import fields
from .moments import read_moment

DIGEST_LENGTH = 64
OVERRIDE, BREAK_GLASS = "override", "break-glass"
ABOUT_HOW = ("ticket", "not_before", "break_glass")


@dataclass(frozen=True)
class How:
    """How it is to be asked for, as it was typed. `way` is nothing, `override` or `break-glass`.

    `confirmed`: whoever breaks glass has said that they know what follows.
    """

    ticket: str = ""
    not_before: str = ""
    way: str = ""
    confirmed: bool = False

    @property
    def terms(self) -> Terms:
        """The same for the gate; a time is meant in the time zone that the pages speak in. Raises `BadParams`."""
        at = read_moment("not_before", self.not_before) if self.not_before.strip() else None
        return Terms(self.ticket, at, self.way == OVERRIDE, self.way == BREAK_GLASS)


@dataclass(frozen=True)
class Draft:
    """What a person has typed so far: `shown` as they typed it, `values` as the action's parameters read it."""

    values: Mapping[str, Any]
    shown: Mapping[str, Any]
    reason: str
    digest: str
    key: str
    inner_of: str = ""
    """The choices for which the fields inside a parameter are those that are shown."""
    how: How = How()

    @property
    def terms(self) -> Terms:
        """Raises `BadParams`."""
        return self.how.terms

    @property
    def submission_key(self) -> str | None:
        """One form asks once for the same plan on the same terms."""
        return f"{self.key}:{hashed({'plan': self.digest, **asdict(self.how)})[:16]}" if self.key else None


def how_of(form: Mapping[str, str]) -> How:
    return How(
        ticket=form.get("ticket", "")[: fields.MAX_TYPED],
        not_before=form.get("not_before", "")[: fields.MAX_TYPED],
        way=form.get("way", "") if form.get("way") in (OVERRIDE, BREAK_GLASS) else "",
        confirmed=form.get("confirmed") == "yes",
    )


def of(form: Mapping[str, str], params: type[Params], undo_of: Request | None) -> Draft:
    """What was sent. Where a choice was changed after the fields that depend on it were shown, those say nothing."""
    values, shown, inner_of = fields.typed(params, form), fields.shown(params, form), fields.chosen_in(params, form)
    if form.get("inner_of", inner_of) != inner_of:
        nothing: dict[str, Any] = {name: {} for name in fields.has_inside(params)}
        values, shown = {**values, **nothing}, {**shown, **nothing}
    digest = form.get("digest", "")
    return Draft(
        values=_inverse(undo_of) if undo_of else values,
        shown=shown,
        reason=form.get("reason", ""),
        digest=digest if len(digest) == DIGEST_LENGTH else "",
        key=form.get("key", "")[:32],
        inner_of=inner_of,
        how=how_of(form),
    )


def opening(
    address: Mapping[str, str], action: str, params: type[Params], earlier: Request | None, undo_of: Request | None
) -> Draft:
    """What the form opens with: an earlier request's values, reason and ticket, or those of the address, or what is true now."""
    names = fields.names_of(params)
    how = replace(how_of(address), way="", confirmed=False)  # no link chooses for somebody to break glass
    if undo_of is not None:
        values, reason = _inverse(undo_of), ""
    elif earlier is not None and earlier.action == action:
        values, reason = {name: value for name, value in earlier.params.items() if name in names}, earlier.reason
        how = again(earlier)
    else:
        values, reason = {name: address[name][: fields.MAX_TYPED] for name in names if name in address}, ""
    return Draft(values, values, reason, "", uuid4().hex, how=how)


def again(earlier: Request) -> How:
    """Only what is as true as it was: nobody breaks glass twice by asking for the same again."""
    return How(ticket=earlier.ticket)


def _inverse(undo_of: Request) -> Mapping[str, Any]:
    try:
        return services.undo_of(undo_of).params
    except Refused:
        return {}
