from dataclasses import replace

import numpy as np

from bignet.evaluate.sweep.weights import Weights, pick
from tests.reporting.browser import opened
from tests.reporting.sweep.factory import make_sweep


def scattered(scored, rng):
    """The same choices with scores, costs and a front that have nothing to do with each other."""
    for item in scored:
        speed = None if rng.random() < 0.4 else float(10 ** rng.uniform(0, 4))
        cost = replace(item.cost, images_s_end2end=speed, bytes_per_vector=int(10 ** rng.uniform(1.5, 5)))
        chosen = replace(item.chosen_half, value=None if rng.random() < 0.1 else float(rng.random()))
        yield replace(item, cost=cost, chosen_half=chosen, on_front=bool(rng.random() < 0.6))


def test_weights_pick_what_python_picks(browser, write):
    world, rng = make_sweep(None, 60), np.random.default_rng(1)
    scored = tuple(scattered(world.sweep.scored, rng))
    files = write(replace(world, sweep=replace(world.sweep, scored=scored)))
    weights = [Weights(), *(Weights(*(0.5 * rng.random(2) ** 2)) for _ in range(200))]
    with opened(browser, files.html) as (page, watch):
        picked = page.evaluate(
            "all => all.map(weights => report.choices[weighedPick(report.choices, weights)].name)",
            [vars(item) for item in weights],
        )
        watch.assert_quiet()
    assert picked == [pick(scored, item) for item in weights]
    assert len(set(picked)) > 3


def test_sliders_pick_again_and_stay_in_the_address(browser, twelve):
    world, files = twelve
    with opened(browser, files.html) as (page, watch):
        best = pick(world.sweep.scored, Weights())
        assert best in page.locator("#pick").inner_text()
        page.focus("#weigh-speed")
        page.keyboard.press("End")
        fast = pick(world.sweep.scored, Weights(speed=0.1))
        assert fast != best
        assert fast in page.locator("#pick").inner_text()
        assert "speed=0.1" in page.url
        ringed = page.locator(".spot:has(.pick-halo)").get_attribute("data-choice")
        assert world.sweep.scored[int(ringed)].choice.name == fast
        page.reload()
        assert fast in page.locator("#pick").inner_text()
        page.click("#weigh-row")
        assert page.locator("tr.picked").get_attribute("data-choice") == fast
        page.click("#weigh-reset")
        assert best in page.locator("#pick").inner_text()
        page.go_back()
        assert fast in page.locator("#pick").inner_text()
        watch.assert_quiet()
