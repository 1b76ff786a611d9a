"""`python -m sandbox.seed [--history]`: people and teams for the demo and, on the embedded world, its catalog and some history.

Repeating it adds what is missing and changes nothing else; history is made once. The password of everybody comes from
AFTERDECK_DEMO_PASSWORD.
"""

import argparse
import os
import sys
import time
from importlib import import_module

import django

STARTED = time.monotonic()


def say(sentence: str) -> None:
    print(f"[{time.monotonic() - STARTED:5.1f} s] {sentence}", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sandbox.seed", description=__doc__)
    parser.add_argument("--history", action="store_true", help="the cluster is the embedded one: act on it")
    history = parser.parse_args().history
    password = os.environ.get("AFTERDECK_DEMO_PASSWORD")
    if not password:
        print("Set AFTERDECK_DEMO_PASSWORD: everybody in the demo gets it.", file=sys.stderr)
        return 2
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "portal.settings")
    django.setup()
    # Modules with models can be imported only from here on.
    inhabitants = import_module("sandbox.inhabitants")
    inhabitants.settle(password, with_catalog=history, say=say)
    if history:
        import_module("sandbox.history").make(say=say)
    inhabitants.go_away()
    return 0


if __name__ == "__main__":
    sys.exit(main())
