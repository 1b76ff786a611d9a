"""What of a request says how much or how long, and whether something else is less than that; of a chain, in each of its parts.

An amount is less when it lies between what was asked and what is true now. What had no end and gets one is less too: that is seen in
its plan.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audit.canonical import storable
from inventory.models import Person

from . import planning, targets
from .amounts import Kind, kinds_in, number_of
from .catalog.chain import Chain
from .errors import BadParams
from .models import Request
from .protocol import Params, Plan
from .registry import AnyAction, action_named

ONLY_SIZES = "Only how much or how long can be changed. For anything else, reject it and say what in the note."


@dataclass(frozen=True)
class Piece:
    """What was asked for, or one part of a chain. `under` is what the names of its parameters begin with, as in what is wrong with them.

    `title` says which part it is.
    """

    under: str
    title: str
    action: AnyAction
    row: targets.Row
    params: Mapping[str, Any]

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The parameters that can be less: of quantities those that were asked for, because there is no least one."""
        every = kinds_in(self.action.params).items()
        return {name: kind for name, kind in every if kind.whole or number_of(self.params.get(name)) is not None}

    def now(self, person: Person) -> Mapping[str, Any]:
        """What is true now, seen by a person. Raises `BadParams`, `CannotPlanNow`."""
        goal, asked = targets.target_of(self.row), planning.read_params(self.action, self.params)
        return planning.present_for(self.action, goal, asked, planning.world_for(goal, person))


@dataclass(frozen=True)
class Pair:
    """A piece as it was asked for, and as it would be instead."""

    piece: Piece
    asked: Params
    proposed: Params

    @property
    def differing(self) -> list[str]:
        return [name for name in type(self.asked).model_fields if not self._is_as_asked(name)]

    def _is_as_asked(self, name: str) -> bool:
        before, after = getattr(self.asked, name), getattr(self.proposed, name)
        number = number_of(before) if name in self.piece.kinds else None
        return before == after or (number is not None and number == number_of(after))


def pieces_of(request: Request) -> tuple[Piece, ...]:
    """Raises `NotFound` when what one of them is about is gone."""
    action = action_named(request.action)
    if not isinstance(action, Chain):
        return (Piece("", "", action, targets.row_of(request), request.params),)
    return tuple(_part(number, part, request.requester) for number, part in enumerate(request.params["parts"]))


def _part(number: int, part: Mapping[str, Any], person: Person) -> Piece:
    action = action_named(part["action"])
    row = targets.find(action.target, person, part["target"])
    return Piece(f"parts.{number}.params.", f"{number + 1}. {action.title}", action, row, part["params"])


def asked_of(request: Request) -> dict[str, Any]:
    """The amounts of a request, by their names. Raises `NotFound`."""
    return {f"{piece.under}{name}": piece.params.get(name) for piece in pieces_of(request) for name in piece.kinds}


def pairs_of(request: Request, params: Mapping[str, Any]) -> tuple[Pair, ...]:
    """With the amounts that `params` say, by their names. Raises `BadParams`, also for what is no amount of it; `NotFound`."""
    pieces, asked = pieces_of(request), asked_of(request)
    if other := params.keys() - asked.keys():
        raise BadParams({storable(name)[:100]: [ONLY_SIZES] for name in sorted(other)[: planning.MOST_PROBLEMS]})
    if endless := [name for name, value in params.items() if value is None and asked[name] is not None]:
        raise BadParams({name: ["Say a number. Leaving it out would be more than what was asked."] for name in endless})
    return tuple(_pair(piece, params) for piece in pieces)


def _pair(piece: Piece, params: Mapping[str, Any]) -> Pair:
    mine = {name: params[f"{piece.under}{name}"] for name in piece.kinds if f"{piece.under}{name}" in params}
    asked = planning.read_params(piece.action, piece.params)
    try:
        return Pair(piece, asked, planning.read_params(piece.action, {**piece.params, **mine}))
    except BadParams as problem:
        raise BadParams({f"{piece.under}{name}": said for name, said in problem.fields.items()}) from problem


def as_asked(request: Request, pairs: tuple[Pair, ...]) -> dict[str, Any]:
    """The parameters of the whole, as they would be asked for."""
    proposed = [pair.proposed.model_dump(mode="json", exclude_none=bool(pair.piece.under)) for pair in pairs]
    if not pairs[0].piece.under:
        return proposed[0]
    parts = zip(request.params["parts"], proposed, strict=True)
    return {**request.params, "parts": [{**part, "params": params} for part, params in parts]}


def refuse_more(pairs: tuple[Pair, ...], person: Person) -> None:
    """Raises `BadParams` unless each amount that differs is less, and nothing else differs."""
    if not any(pair.differing for pair in pairs):
        raise BadParams({"params": ["That is what was asked. Approve it, or choose less."]})
    wrong: dict[str, list[str]] = {}
    for pair in (pair for pair in pairs if pair.differing):
        now = pair.piece.now(person)
        said = {name: _not_less(pair, name, now) for name in pair.differing}
        wrong |= {f"{pair.piece.under}{name}": [why] for name, why in said.items() if why}
    if wrong:
        raise BadParams(wrong)


def refuse_endless(pairs: tuple[Pair, ...], asked: Plan, seen: Plan) -> None:
    """What was not asked for may only be an end, where there was none. Raises `BadParams`."""
    plans = zip(asked.parts or (asked,), seen.parts or (seen,), strict=True)
    for pair, (before, after) in zip(pairs, plans, strict=True):
        new = [name for name in pair.differing if getattr(pair.asked, name) is None]
        if new and (after.lasts_seconds is None or before.lasts_seconds is not None):
            raise BadParams({f"{pair.piece.under}{name}": [ONLY_SIZES] for name in new})


def _not_less(pair: Pair, name: str, now: Mapping[str, Any]) -> str:
    """Why a parameter that differs is not less, or an empty text."""
    kind, before, after = pair.piece.kinds.get(name), getattr(pair.asked, name), getattr(pair.proposed, name)
    if kind is None:
        return ONLY_SIZES
    if before is None:
        return ""
    wanted, proposed, there = number_of(before), number_of(after), None if kind.proposed else number_of(now.get(name))
    if wanted is None or proposed is None:
        return f"Say how much, such as {before}."
    if there is None:
        return "" if 0 <= proposed <= wanted else f"At most {before}, which is what was asked."
    (low, least), (high, most) = sorted([(wanted, str(before)), (there, str(now[name]))])
    return (
        "" if low <= proposed <= high else f"Between {least} and {most}, which is what is true now and what was asked."
    )
