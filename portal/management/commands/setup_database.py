"""`manage.py setup_database`: migrate as the owner role, then grant the application's role what it needs and no more."""

from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from portal.database import grant_to_application


class Command(BaseCommand):
    help = "Migrate as the owner role and grant the application role its privileges. Safe to repeat."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        if "owner" not in settings.DATABASES:
            raise CommandError(
                "Set AFTERDECK_OWNER_DATABASE_URL: tables belong to the owner role, not to the application's."
            )
        if settings.DATABASES["owner"]["USER"] == settings.APP_DATABASE_ROLE:
            raise CommandError(
                "The owner role and the application's role must differ, or the audit record could be rewritten."
            )
        call_command("migrate", database="owner", interactive=False, verbosity=options["verbosity"])
        grant_to_application("owner", settings.APP_DATABASE_ROLE)
        self.stdout.write("The database is ready.")
