"""Entry point for ASGI servers: uvicorn portal.asgi:application."""

import os

import django
from django.core.handlers.asgi import ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup(set_prefix=False)

from portal.startup import require_sound_installation  # noqa: E402  # needs the applications that setup() has just loaded

require_sound_installation()
application = ASGIHandler()
