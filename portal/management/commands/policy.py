"""`manage.py policy check|test|replay`: what a change of the policy would do, before it does it. Each ends with 1 when it is wrong."""

from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError
from django.utils import timezone

from actions import policies
from actions.models import Request
from actions.replaying import Kind, Replay, replay
from approvals import loader, trials, versions
from approvals.reading import BadPolicy
from portal.web.words import counted


class Command(BaseCommand):
    help = "Check a policy, run the tests beside it, or ask it about past requests."

    def add_arguments(self, parser: ArgumentParser) -> None:
        doing = parser.add_subparsers(dest="doing", required=True)
        for name, what in (
            ("check", "Read it, say all that is wrong, and what changes."),
            ("test", "Run the tests in its *.test.yaml files."),
            ("replay", "Ask it about past requests, and list where it answers otherwise than the present one."),
        ):
            command = doing.add_parser(name, help=what)
            command.add_argument(
                "directory", nargs="?", type=Path, help="where its files are, if not where the settings say"
            )
            if name == "replay":
                command.add_argument("--days", type=int, default=90, help="how far back (90)")
                command.add_argument("--limit", type=int, default=10_000, help="at most so many requests (10000)")

    def handle(self, *args: Any, **options: Any) -> None:
        directory = options["directory"] or policies.directory()
        try:
            policy = loader.load_texts(loader.read_files(directory))
            if options["doing"] == "check":
                self._check(policy)
            elif options["doing"] == "test":
                self._test(policy, directory)
            else:
                self._replay(policy, options["days"], options["limit"])
        except BadPolicy as problem:
            raise CommandError(str(problem)) from problem
        except DatabaseError as problem:
            raise CommandError(f"The database does not answer: {str(problem).splitlines()[0]}") from problem

    def _check(self, policy: loader.Policy) -> None:
        rules, times = counted(len(policy.rules), "rule"), counted(len(policy.schedules), "schedule")
        self.stdout.write(f"{rules} and {times}, digest {policy.digest[:12]}. They can be read.")
        try:
            changes = versions.changes_between(policies.current_policy(), policy)
            self.stdout.write(f"Against what decides now: {changes.sentence}.")
            doubts = policies.doubts_about(policy)
        except DatabaseError:  # as on the machine that checks a merge request
            doubts = ["Whom it names was not looked up: there is no database."]
        for doubt in doubts:
            self.stdout.write(self.style.WARNING(doubt))

    def _test(self, policy: loader.Policy, directory: Path) -> None:
        result = trials.try_out(policy, loader.read_files(directory, tests=True))
        for trial in result.failed:
            self.stdout.write(self.style.ERROR(f"{trial.where}: {trial.name}"))
            for sentence in trial.wrong:
                self.stdout.write(f"  {sentence}")
        for rule in result.never_hit:
            self.stdout.write(self.style.WARNING(f"No test hits rule {rule}."))
        self.stdout.write(f"{len(result.ran) - len(result.failed)} of {len(result.ran)} tests pass.")
        if result.failed:
            raise CommandError("The policy does not answer as its tests say.")
        if not result.ran:
            raise CommandError(f"No tests: there is no *{loader.TESTS} in {directory}.")

    def _replay(self, policy: loader.Policy, days: int, limit: int) -> None:
        since = timezone.now() - timedelta(days=days)
        found = replay(policy, policies.current_policy(), Request.objects.filter(created_at__gte=since), limit=limit)
        for kind in Kind:
            for each in found.of(kind):
                request = each.request
                self.stdout.write(
                    f"{kind.value}: request {request.pk}, {request.summary} ({request.requester.username})"
                )
                self.stdout.write(f"  now:  {each.before.headline}, by {', '.join(each.before.deciding_rules)}")
                self.stdout.write(f"  then: {each.after.headline}, by {', '.join(each.after.deciding_rules)}")
        self.stdout.write(_summary(found))


def _summary(found: Replay) -> str:
    counts = ", ".join(f"{len(found.of(kind))} {kind.value}" for kind in Kind)
    left_out = f" {found.without} from before facts were kept are left out." if found.without else ""
    return f"{found.looked_at} requests: {len(found.differences)} would be answered otherwise ({counts}).{left_out}"
