"""Asks axe what is wrong with a page for somebody who cannot see it, cannot use a mouse, or needs contrast."""

from functools import cache

from playwright.sync_api import Page

from tests.browser import chromium, packages


@cache
def script() -> str:
    """axe itself, as a script that leaves `window.axe` behind."""
    return (packages.installed(chromium=chromium.own() is None) / "axe-core" / "axe.min.js").read_text()


def violations(page: Page) -> list[str]:
    """One line per rule broken on the page as it is now: the rule, what it wants, and the elements that break it."""
    page.evaluate(script())  # by the debugger, which the page's Content-Security-Policy does not bind
    found = page.evaluate("async () => (await axe.run()).violations")
    return [f"{rule['id']}: {rule['help']} ({'; '.join(node['html'] for node in rule['nodes'])})" for rule in found]
