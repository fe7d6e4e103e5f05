"""Sweeps of every kind give a whole page: one choice, no labels, hostile names, nothing measured, nothing scored."""

from dataclasses import replace

import numpy as np
import pytest

from bignet.evaluate.sweep.judge import judge
from bignet.reporting.sweep.source import SweepSource
from tests.evaluate.sweeps import World
from tests.reporting.browser import opened
from tests.reporting.sweep.factory import SweepWorld, make_sweep

SCRIPT = "<script>alert(1)</script>"
HOSTILE = (
    SCRIPT,
    "</script><img src=x onerror=alert(1)>",
    'x" onclick="alert(1)',
    "a\u202eb\n\x1b[31m",
    "long-" * 60,
    "日本",
)


def bare(world):
    """Nothing that can be left out."""
    sweep = world.sweep
    cost = {"images_s_forward": None, "images_s_end2end": None, "flops": None, "index_qps": None, "peak_bytes": None}
    cost |= {"images_s_end2end_lo": None, "images_s_end2end_hi": None}
    scored = tuple(replace(item, cost=replace(item.cost, **cost), self_hit={}, per_class={}) for item in sweep.scored)
    left = {"cka": {}, "strips": (), "class_distance": None, "dropped": (), "cost_setting": "", "seconds": {}}
    return replace(world, sweep=replace(sweep, scored=scored, **left))


def undefined(world):
    """Choices whose scores have no meaning."""
    nothing = {"value": None, "lo": None, "hi": None, "reason": "too few images"}
    scored = tuple(
        replace(item, reported=replace(item.reported, **nothing), chosen_half=replace(item.chosen_half, **nothing),
                metrics={}, to_best=None, p_value=None)
        for item in world.sweep.scored
    )  # fmt: skip
    return replace(world, sweep=replace(world.sweep, scored=scored, recommendations=()))


def nothing_scored(world):
    left = {"scored": (), "recommendations": (), "cka": {}, "strips": (), "class_distance": None}
    return replace(world, sweep=replace(world.sweep, **left))


def hostile(folder):
    labels = [*HOSTILE, *HOSTILE]
    world = make_sweep(
        folder, 12, labels=labels, names=[b"%d.jpg" % i for i in range(12)], models=HOSTILE, untrained=()
    )
    source = SweepSource(SCRIPT, folder, {"<i>": SCRIPT}, {SCRIPT: SCRIPT})
    paths = (b"a</script><svg onload=alert(1)>.jpg", *world.sweep.paths[1:])
    return SweepWorld(replace(world.sweep, warnings=(SCRIPT,), paths=paths, cost_setting=SCRIPT), source)


WORLDS = {
    "one": lambda folder: make_sweep(folder, 1),
    "no labels": lambda folder: make_sweep(folder, 12, labels=[None] * 20),
    "no altered copies": lambda folder: make_sweep(folder, 6, altered=False),
    "bare": lambda folder: bare(make_sweep(None, 5)),
    "undefined": lambda folder: undefined(make_sweep(None, 5)),
    "nothing scored": lambda folder: nothing_scored(make_sweep(None, 5)),
    "one class": lambda folder: make_sweep(folder, 3, labels=["only"] * 9),
    "one image": lambda folder: make_sweep(folder, 2, labels=["only"]),
}
SAYS = {
    "one": "One choice was scored: there is no other to weigh it against.",
    "no labels": "No labels: nothing here says neighbours are right",
    "no altered copies": "No altered copies were embedded",
    "bare": "No figure, because no choice has both a score and a measured speed",
    "undefined": "No choice could be scored",
    "nothing scored": "No choice was scored. What was dropped",
    "one class": "Take ",
    "one image": "There are no strips",
}


@pytest.mark.parametrize("name", SAYS)
def test_every_kind_of_sweep_gives_a_whole_page(browser, tmp_path, write, name):
    files = write(WORLDS[name](tmp_path / "images"))
    with opened(browser, files.html, viewport={"width": 390, "height": 844}) as (page, watch):
        page.wait_for_timeout(30)
        watch.assert_quiet()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.locator("main > section").count() == 9
        text = page.locator("main").inner_text()
        assert SAYS[name] in text
        for word in ("None", "nan", "NaN", "NULL"):
            assert word not in text.split()


@pytest.mark.parametrize("width", [390, 1280])
def test_hostile_names_do_no_harm(browser, tmp_path, write, width):
    world = hostile(tmp_path / "images")
    files = write(world)
    with opened(browser, files.html, viewport={"width": width, "height": 900}) as (page, watch):
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator("script").count() == 2
        assert page.locator("main img, main i i, [onload], [onclick], [onerror]").count() == 0
        page.focus("#front-chart")
        page.keyboard.press("End")
        for button in page.locator("[data-compare]").all():
            button.click()
        page.click(".block [data-enlarge] >> nth=0")
        page.keyboard.press("Escape")
        assert watch.dialogs == []
        watch.assert_quiet()
        shown = page.eval_on_selector_all("#choices-table tbody tr", "all => all.map(row => row.dataset.model)")
    assert SCRIPT in shown
    assert r"a\u202eb\n\x1b[31m" in shown
    html = files.html.read_bytes()
    assert b"\x1b" not in html
    assert "\u202e".encode() not in html


@pytest.mark.parametrize("labelled", [True, False])
def test_a_sweep_that_was_judged_gives_a_whole_page(browser, tmp_path, write, labelled):
    made = World([0.3, 1.0, 3.0], n=90, copies=10, labelled=labelled)
    sweep = judge(made.images, made.choices, made.costs, made.read, made.altered)
    files = write(SweepWorld(sweep, SweepSource("sweep")))
    with opened(browser, files.html) as (page, watch):
        assert page.locator("h1").inner_text().startswith("Take net/f")
        assert page.locator("#choices-table tbody tr").count() == 3
        assert page.locator(".block").count() == len(sweep.strips)
        assert page.locator("#invariance .chart").count() == 1
        assert np.isfinite([float(text) for text in page.locator("#alike-0 td").all_inner_texts() if text]).all()
        watch.assert_quiet()
