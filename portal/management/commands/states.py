"""`manage.py states`: the state diagrams of docs/architecture.md, drawn from the transition tables."""

from collections.abc import Mapping
from typing import Any

from django.core.management.base import BaseCommand

from actions.states import EXECUTION_MOVES, GRANT_MOVES, PROPOSAL_MOVES, REQUEST_MOVES, Move


def diagram(moves: Mapping[tuple[str, str], Move]) -> str:
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f"    {before} --> {after}: {move.meaning}" for (before, after), move in moves.items()]
    return "\n".join([*lines, "```"])


class Command(BaseCommand):
    help = "Print the state diagrams as Mermaid."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        tables = {
            "Request": REQUEST_MOVES,
            "Execution": EXECUTION_MOVES,
            "Grant": GRANT_MOVES,
            "Proposal": PROPOSAL_MOVES,
        }
        self.stdout.write("\n\n".join(f"### {name}\n\n{diagram(moves)}" for name, moves in tables.items()))
