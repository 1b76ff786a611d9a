#!/usr/bin/env python
"""Runs Django's commands with the portal's settings."""

import os
import sys

from django.core.management import execute_from_command_line

READS_FILES_ONLY = (["policy", "check"], ["policy", "test"])
"""So that a merge request can be checked where nothing is installed: settings that are not given lead nowhere."""
NOWHERE = {
    "AFTERDECK_SECRET_KEY": "signs-nothing-" * 4,
    "AFTERDECK_DATABASE_URL": "postgresql://nobody@localhost:1/nothing",
    "AFTERDECK_VALKEY_URL": "redis://localhost:1/0",
    "AFTERDECK_LOG_LEVEL": "WARNING",
}

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    if sys.argv[1:3] in READS_FILES_ONLY:
        for name, value in NOWHERE.items():
            os.environ.setdefault(name, value)
    execute_from_command_line(sys.argv)
