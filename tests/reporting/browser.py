"""A headless Chromium without a network, and pages that note everything that should not happen."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from playwright.sync_api import sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
MISSING = (
    "the report's tests need a Chromium: install one with `apt-get install chromium` "
    "or `python -m playwright install chromium`"
)


@contextmanager
def chromium():
    """A browser, or a failure that says how to get one."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    with sync_playwright() as playwright:
        found = found or playwright.chromium.executable_path
        if not Path(found).exists():
            raise RuntimeError(MISSING)
        browser = playwright.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Watch:
    """What went wrong while a page was open."""

    address: str
    errors: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)
    dialogs: list[str] = field(default_factory=list)

    def attach(self, page):
        page.on("console", lambda message: self._console(message))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self._request(request.url))
        page.on("dialog", lambda dialog: self._dialog(dialog))

    def _console(self, message):
        if message.type in ("error", "warning"):
            self.errors.append(message.text)

    def _request(self, url):
        if url.split("#")[0] != self.address and not url.startswith(("data:", "blob:")):
            self.requests.append(url)

    def _dialog(self, dialog):
        self.dialogs.append(dialog.message)
        dialog.accept()

    def assert_quiet(self):
        assert self.errors == []
        assert self.requests == []


@contextmanager
def opened(browser, path, *, fragment="", **context_options):
    """A page on a report, offline; yields (page, watch)."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **context_options})
    context.set_offline(True)
    page = context.new_page()
    watch = Watch(Path(path).resolve().as_uri())
    watch.attach(page)
    page.goto(watch.address + fragment)
    yield page, watch
    context.close()
