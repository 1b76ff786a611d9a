"""What a web or worker process looks at before it serves: a half-right installation fails later, and worse.

A database that does not answer is not a mistake in the settings: then the process starts, and /readyz says what is missing.
"""

import sys

import structlog
from django.conf import settings
from django.db import DatabaseError, connection

from actions.policies import current_policy, take_note
from actions.registry import all_actions
from approvals.reading import BadPolicy
from portal import database

log = structlog.get_logger(__name__)

WEAK_KEY = (
    "The secret key is too uniform to be secret. Make one: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
)


def require_sound_installation() -> None:
    """Exit with a sentence for each thing that is wrong: policy, actions, database role, secret key."""
    problems = [*_key(), *_policy(), *_database()]
    all_actions()  # a broken action raises here, with its name
    if problems:
        sys.exit("\n".join(["Afterdeck cannot start:", *(f"  {problem}" for problem in problems)]))
    _remember_policy()


def _key() -> list[str]:
    return [WEAK_KEY] if len(set(settings.SECRET_KEY)) < 8 else []


def _policy() -> list[str]:
    try:
        current_policy()
    except BadPolicy as problem:
        return [f"Policy {line}" for line in str(problem).splitlines()]
    except DatabaseError as problem:
        log.warning("startup.database_away", problem=str(problem))
    return []


def _remember_policy() -> None:
    try:
        take_note()
    except DatabaseError as problem:
        log.warning("startup.database_away", problem=str(problem))
    finally:
        connection.close()


def _database() -> list[str]:
    try:
        return database.problems(connection)
    except DatabaseError as problem:
        log.warning("startup.database_away", problem=str(problem))
        return []
    finally:
        connection.close()
