"""Entry point for ASGI servers: uvicorn portal.asgi:application."""

import os
from concurrent.futures import ThreadPoolExecutor

import django
from django.core.handlers.asgi import ASGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
django.setup(set_prefix=False)

from portal.startup import require_sound_installation  # noqa: E402  # needs the applications that setup() has just loaded

# In a thread of its own: a server that reloads imports this inside a running event loop, where Django refuses database access.
with ThreadPoolExecutor(1) as looking:
    looking.submit(require_sound_installation).result()
application = ASGIHandler()
