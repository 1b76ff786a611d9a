"""`manage.py import_catalog FILE...`: teams and services from Backstage's catalog-info.yaml, and what of it was not used."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from audit.events import SYSTEM
from inventory.catalog import MOST_BYTES, Unreadable, read
from inventory.importers import keep_catalog


class Command(BaseCommand):
    help = "Import teams and services from Backstage catalog files. Safe to repeat."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("files", nargs="+", type=Path, metavar="FILE")

    def handle(self, *args: Any, files: list[Path], **options: Any) -> None:
        catalogs = []
        for file in files:  # all of them before anything is written
            try:
                with file.open("rb") as opened:
                    catalogs.append((file, read(opened.read(MOST_BYTES + 1))))
            except OSError as error:
                raise CommandError(f"{file}: {error.strerror}. Nothing was imported.") from error
            except Unreadable as problem:
                raise CommandError(f"{file}: {problem} Nothing was imported.") from problem
        for file, catalog in catalogs:
            imported = keep_catalog(catalog, source=file.name, actor=SYSTEM, at=timezone.now())
            self.stdout.write(
                f"{file}: {len(imported.done)} done, {imported.unchanged} unchanged, {len(imported.ignored)} ignored"
            )
            for sentence in imported.done:
                self.stdout.write(f"  {sentence}")
            for sentence in imported.ignored:
                self.stdout.write(f"  ignored: {sentence}")
