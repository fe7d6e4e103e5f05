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

CLIPBOARD = """Object.defineProperty(navigator, 'clipboard', {value: {
  writeText: async text => { window.copied = text; }}})"""
# Texts that stand out too little from what is behind them.
CONTRAST = """() => {
  const canvas = Object.assign(document.createElement('canvas'), {width: 1, height: 1}).getContext('2d');
  const rgb = colour => { canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1); return [...canvas.getImageData(0, 0, 1, 1).data]; };
  const light = ([r, g, b]) => {
    const f = c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
    return .2126 * f(r) + .7152 * f(g) + .0722 * f(b); };
  const behind = e => { for (; e; e = e.parentElement) { const c = rgb(getComputedStyle(e).backgroundColor);
    if (c[3] > 250) return c; } return [255, 255, 255]; };
  const bad = [];
  for (const e of document.querySelectorAll('h1,h2,h3,p,a,li,td,th,dt,dd,span,b,code,button,option')) {
    if (![...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim()) || !e.offsetParent) continue;
    if (e.closest('.hidden,.skip,button:disabled')) continue;
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    if ((a + .05) / (b + .05) < 4.5) bad.push(`${e.tagName}.${e.className} ${e.textContent.slice(0, 30)}`);
  }
  return bad; }"""


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
