"""`manage.py discover`: look at every connected system once, now, and say what came of it."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError

from inventory.tasks import look_around


class Command(BaseCommand):
    help = "Look at every connected cluster and vault once, and bring the inventory up to date."

    def handle(self, *args: Any, **options: Any) -> None:
        reports = look_around()
        if reports is None:
            raise CommandError("A worker is looking at this moment. Its result will be as fresh as yours.")
        for report in reports:
            self.stdout.write(f"{report.kind} {report.name}: {report.sentence}")
        if not reports:
            self.stdout.write("Nothing is connected: AFTERDECK_CLUSTERS and AFTERDECK_VAULTS are empty.")
        if not all(report.ok for report in reports):
            raise CommandError("Not everything could be looked at.")
