"""``bignet demo``: the whole job on real images and real weights, without internet."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bignet.cli.console import Notices, counted, duration, say

if TYPE_CHECKING:
    from bignet.opened import Store

NAME = "demo"
PANEL = "Start here"
QUERIES = ("three/0003.png", "seven/0007.png", "nine/0009.png")


def command(
    out: Annotated[str, typer.Option("--out", "-o", help="Folder to write everything into.")] = "bignet-demo",
) -> None:
    """Embed, search and measure 1,797 real handwritten digits with a network trained on ImageNet.

    Needs no internet: images and weights come with the extra 'offline'.

    \b
    bignet demo
    bignet demo -o /tmp/bignet-demo
    """
    import time

    start = time.monotonic()

    from bignet import api
    from bignet.cli.extract import describe
    from bignet.cli.report_lines import headline
    from bignet.cli.screen import Screen
    from bignet.demo import write_digits
    from bignet.extractor.backbones import OFFLINE_MODEL

    folder = Path(out)
    images, store, report = folder / "digits", folder / "digits.bignet", folder / "report"
    number = write_digits(images)
    say(f"1. {counted(number, 'image')} of handwritten digits, 10 classes: {images}")
    say(f"2. bignet extract {images} {store} --model {OFFLINE_MODEL}")
    notices = Notices(quiet=False)
    with notices.only_ours():
        screen = Screen(notices)
        made = api.extract(images, store, model=OFFLINE_MODEL, listener=screen)
        screen.close()
    if made.summary is not None:
        describe(made.summary, made)
    say(f"3. bignet search {store} {' '.join(QUERIES)} -k 5 --exclude-self")
    _search(made, images)
    say(f"4. bignet report {store} -o {report}")
    with notices.only_ours():
        evaluation, files = api.report(store, report)
    for line in headline(evaluation):
        say(f"   {line}")
    say(f"done in {duration(time.monotonic() - start)}; open {files.html} in a browser")


def _search(store: Store, images: Path) -> None:
    for query in QUERIES:
        hits = store.search(images / query, k=5, exclude_self=True)
        found = ", ".join(f"{hit.path} {hit.score:.3f}" for hit in hits)
        say(f"   {query}: {found}")
