"""Promise 9, one gate: nothing begins, moves or is decided but through `actions.services`, whatever the entrance."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from actions.models import Execution, Request
from approvals.models import Round, Vote
from audit.models import EventRow
from inventory.models import Person
from tests.architecture.sources import PACKAGES, ROOT, modules

ROWS = {"Request", "Execution", "JournalEntry", "Round", "Vote"}
WRITES = {
    "create", "bulk_create", "get_or_create", "update_or_create", "acreate", "aget_or_create", "update", "bulk_update", "delete",
    "save", "raw", "select_for_update", "aupdate", "adelete", "asave",
}  # fmt: skip
TABLES = {"actions_request", "actions_execution", "actions_journalentry", "approvals_round", "approvals_vote"}
INSIDE = ("actions", "approvals")
ENTRANCES = tuple(package for package in PACKAGES if package not in INSIDE)
OPEN_TO_STRANGERS = {"sign-in", "sign-out", "theme"}
"""Sign-out without a session signs nobody out; the theme is a cookie."""


def trees(*packages: str) -> Iterator[tuple[Path, ast.Module]]:
    for path in modules(*packages):
        yield path, ast.parse((ROOT / path).read_text())


def uses(tree: ast.AST, names: set[str]) -> set[str]:
    """Which of these names a subtree mentions, as a name or as an attribute."""
    found = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return (found | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}) & names


def calls(tree: ast.AST) -> Iterator[tuple[ast.Call, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield node, name


def writes_of(tree: ast.Module) -> list[str]:
    """Calls that write rows of requests, runs, rounds or votes."""
    ours = {name for name in ROWS if imports_of(tree) & {f"actions.models.{name}", f"approvals.models.{name}"}}
    related = ROWS | {"requests", "execution", "round", "votes", "journal"}
    return [
        ast.unparse(call)
        for call, name in calls(tree)
        if name in ours or (name in WRITES and uses(call.func, related))
    ]  # fmt: skip


def imports_of(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found |= {f"{module}.{alias.name}" for alias in node.names} | {module}
    return found


def test_no_entrance_writes_a_row_of_a_request_a_run_or_a_vote() -> None:
    found = {str(path): writes_of(tree) for path, tree in trees(*ENTRANCES)}
    assert {path: calls for path, calls in found.items() if calls} == {}


def test_no_entrance_writes_to_their_tables_in_sql() -> None:
    assert [
        str(path)
        for path, tree in trees(*ENTRANCES)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        and any(table in node.value for table in TABLES) and any(word in node.value.upper() for word in ("INSERT", "UPDATE ", "DELETE"))
    ] == []  # fmt: skip


def test_no_entrance_reaches_past_the_gate() -> None:
    behind = {"lifecycle", "execution", "claiming", "confirmation", "journal", "recording", "verification"}
    forbidden = {f"actions.{name}" for name in behind} | {"approvals.services", "approvals.tally"}
    running = {"portal/celery.py": {"actions.tasks", "actions.poller"}}
    for path, tree in trees(*ENTRANCES):
        assert imports_of(tree) & forbidden - running.get(str(path), set()) == set(), path


def test_only_submitting_creates_a_request_and_only_an_agreed_one_is_put_in_line() -> None:
    made: dict[str, list[str]] = {}
    for path, tree in trees("actions", "approvals"):
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef):
                for call, name in calls(function):
                    if name in {"create", "get_or_create", "bulk_create"} or name in ROWS:
                        made.setdefault(f"{path}:{function.name}", []).extend(uses(call.func, ROWS))
    assert {where: rows for where, rows in made.items() if rows} == {
        "actions/admission.py:admit": ["Request"],
        "actions/admission.py:queue": ["Execution"],
        "actions/journal.py:intend": ["JournalEntry"],
        "approvals/services.py:open_round": ["Round"],
        "approvals/services.py:cast_vote": ["Vote"],
    }


def test_an_undo_cannot_be_claimed_by_whoever_submits() -> None:
    """It may run without an approval, so only `services.undo` says that something is one."""
    [services] = [tree for path, tree in trees("actions") if path == Path("actions/services.py")]
    functions = {node.name: node for node in services.body if isinstance(node, ast.FunctionDef)}
    public = {
        name for name, node in functions.items() if not name.startswith("_")
        and any(argument.arg == "undo_of" for argument in node.args.kwonlyargs)
    }  # fmt: skip
    assert public == {"preview"}
    assert {name for name, node in functions.items() if any(called == "_submit" for _, called in calls(node))} == {
        "submit",
        "undo",
    }


def test_only_lifecycle_changes_a_state() -> None:
    """`admission` begins one; a round's own state is the tally's answer, written with the vote."""
    found = []
    for path, tree in trees("actions", "portal", "inventory"):
        if path != Path("actions/lifecycle.py"):
            found += [
                f"{path}: {ast.unparse(call)[:80]}"
                for call, name in calls(tree)
                if name in {"update", "bulk_update"} and any(keyword.arg == "state" for keyword in call.keywords)
            ]
            found += [
                f"{path}: {ast.unparse(node)[:80]}"
                for node in ast.walk(tree)
                if isinstance(node, ast.Assign)
                and any(isinstance(target, ast.Attribute) and target.attr == "state" for target in node.targets)
            ]
    assert found == []


def test_the_walk_finds_what_it_is_for(tmp_path: Path) -> None:
    """Each of these would be a second gate."""
    bad = [
        "Request.objects.create(action='x')",
        "Request(action='x').save()",
        "Execution.objects.filter(pk=1).update(state='succeeded')",
        "models.Vote.objects.get_or_create(round=1)",
        "request.round.votes.create(decision='approve')",
        "service.requests.update(state='approved')",
        "Round.objects.all().delete()",
    ]
    model = "from actions.models import Request\n"
    assert [line for line in bad if not writes_of(ast.parse(model + line))] == []


def addresses(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[tuple[str, str]]:
    """Every address of the portal, filled in with something plausible, and its name."""
    plausible = {
        "IntConverter": "1",
        "NameConverter": "restart-workload",
        "AnythingConverter": "nowhere",
        "StringConverter": "checkout",
    }
    for pattern in patterns:
        route = str(pattern.pattern)
        for name, converter in pattern.pattern.converters.items():
            kind = type(converter).__name__
            value = plausible.get(kind, "1")
            route = route.replace(next(p for p in _placeholders(route) if p.endswith(f"{name}>")), value)
        if isinstance(pattern, URLResolver):
            yield from addresses(pattern.url_patterns, prefix + route)
        else:
            yield prefix + route, pattern.name or ""


def _placeholders(route: str) -> list[str]:
    return [f"<{part.partition('>')[0]}>" for part in route.split("<")[1:]]


ADDRESSES = sorted(set(addresses(get_resolver().url_patterns)))


@pytest.mark.parametrize("method", ["post", "put", "patch", "delete"])
def test_a_stranger_changes_nothing_at_any_address(db: None, method: str) -> None:
    assert len(ADDRESSES) > 40
    client, before = Client(raise_request_exception=True), _everything()
    for address, name in ADDRESSES:
        if name in OPEN_TO_STRANGERS:
            continue
        for body in ({}, {"data": "{}", "content_type": "application/json"}):
            answer = getattr(client, method)(address, **body)
            asked_to_sign_in = answer.status_code in (302, 303) and answer.headers["Location"].startswith("/sign-in")
            assert asked_to_sign_in or answer.status_code in (401, 403, 404, 405), (method, address, answer.status_code)
    assert _everything() == before


def _everything() -> list[int]:
    return [model.objects.count() for model in (Request, Execution, Round, Vote, Person, EventRow)]
