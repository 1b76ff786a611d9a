"""Finds actions and refuses broken ones when they register, not when somebody clicks.

Every module in `actions.catalog` and every entry point `afterdeck.actions` is imported once; `@register` does the rest.
"""

import importlib
import pkgutil
import re
from functools import cache
from importlib.metadata import entry_points
from typing import Any, TypeVar

from actions import catalog

from .protocol import Action, Params, Risk, TargetKind

AnyAction = Action[Any]
A = TypeVar("A", bound=type[AnyAction])

_actions: dict[str, AnyAction] = {}


class UnknownAction(LookupError):
    """There is no action with that id."""


def register(action: A) -> A:
    """Class decorator. Raises `TypeError` when the class does not keep the contract, `ValueError` for an id that is taken."""
    name = action.__name__
    if not re.fullmatch(r"[a-z]+(-[a-z]+)*", getattr(action, "id", "")):
        raise TypeError(f"{name}.id must be kebab-case, such as restart-workload.")
    for attribute, wanted in (("title", str), ("icon", str), ("risk", Risk), ("target", TargetKind), ("kinds", tuple)):
        if not isinstance(getattr(action, attribute, None), wanted):
            raise TypeError(f"{name}.{attribute} must be a {wanted.__name__}.")
    if not (isinstance(action.__dict__.get("params"), type) and issubclass(action.__dict__["params"], Params)):
        raise TypeError(f"{name}.params must be a subclass of actions.protocol.Params.")
    if action.id in _actions and type(_actions[action.id]) is not action:
        raise ValueError(f"Action id {action.id!r} is taken by {type(_actions[action.id]).__name__}.")
    _actions[action.id] = action()
    return action


@cache
def _load() -> None:
    for module in pkgutil.iter_modules(catalog.__path__):
        importlib.import_module(f"{catalog.__name__}.{module.name}")
    for entry in entry_points(group="afterdeck.actions"):
        entry.load()


def all_actions() -> list[AnyAction]:
    _load()
    return sorted(_actions.values(), key=lambda action: action.id)


def action_named(action_id: str) -> AnyAction:
    """Raises `UnknownAction`."""
    _load()
    try:
        return _actions[action_id]
    except KeyError:
        offered = ", ".join(action.id for action in all_actions() if action.listed)
        raise UnknownAction(f"There is no action {action_id[:64]!r}. Known: {offered}.") from None


def title_of(action_id: str) -> str:
    """What people call an action, also one that is no longer installed: history outlives plugins."""
    _load()
    action = _actions.get(action_id)
    return action.title if action else action_id.replace("-", " ").capitalize()


def headline_of(action_id: str, what: str) -> str:
    """What is done to what, as a person says it: Restart Checkout API, Get access to Checkout API."""
    _load()
    action = _actions.get(action_id)
    return " ".join(filter(None, (title_of(action_id), action.preposition if action else "", what)))


def only_stops(action_id: str) -> bool:
    """Whether a run of it that is taken back is only stopped, and what it had done stays done."""
    _load()
    action = _actions.get(action_id)
    return action is not None and action.only_stops


def writes_logs(action_id: str) -> bool:
    """Whether what a run of it starts writes something that is kept."""
    _load()
    action = _actions.get(action_id)
    return action is not None and type(action).logs is not Action.logs
