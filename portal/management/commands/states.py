"""`manage.py states`: the state diagrams of docs/architecture.md, drawn from the transition tables."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand

from actions.states import EXECUTION_MOVES, REQUEST_MOVES, Move


def diagram(moves: Mapping[tuple[str, str], Move]) -> str:
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {before} --> {after}: {move.meaning}" for (before, after), move in moves.items()]
    return "\n".join([*lines, "```"])


class Command(BaseCommand):
    help = "Print the state diagrams as Mermaid."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"### Request\n\n{diagram(REQUEST_MOVES)}\n\n### Execution\n\n{diagram(EXECUTION_MOVES)}")
