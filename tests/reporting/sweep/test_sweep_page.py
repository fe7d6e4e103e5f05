import json
from dataclasses import replace
from functools import partial

import pytest

from bignet.evaluate.intervals import wilson
from bignet.evaluate.sweep.recommend import CHEAPER
from bignet.evaluate.sweep.result import Dropped, Why
from bignet.reporting.sweep.altered import phrase
from bignet.reporting.sweep.dropped import groups
from bignet.reporting.sweep.facts import SweepFacts, origin
from bignet.reporting.sweep.invariance import frail
from tests.reporting.browser import CLIPBOARD, CONTRAST, opened
from tests.reporting.sweep.factory import make_sweep

ROWS = "#choices-table tbody tr"
LOADED = "performance.getEntriesByType('navigation')[0].loadEventEnd"


def seconds_to_load(page):
    page.reload()
    page.wait_for_function(f"{LOADED} > 0")
    return page.evaluate(LOADED) / 1000


def names_in_order(page):
    return page.eval_on_selector_all(ROWS, "all => all.map(row => row.dataset.choice)")


def test_the_verdict_names_a_choice_its_reason_and_three_presets_after_the_warnings(browser, twelve):
    world, files = twelve
    with opened(browser, files.html) as (page, watch):
        taken = {item.preset: item for item in world.sweep.recommendations}
        assert page.locator("h1").inner_text() == f"Take {taken['balanced'].name}."
        shown = page.eval_on_selector_all(".preset .model-text", "all => all.map(name => name.title)")
        assert shown == [*dict.fromkeys(taken[preset].name for preset in ("best", "balanced", "cheapest"))]
        told = page.locator(".sentences > p").inner_text()
        assert told.startswith(taken["balanced"].reason)
        assert taken["balanced"].runner_up in told
        assert not page.locator(".how dl").is_visible()
        page.click(".how summary")
        for text in (taken["balanced"].rule, CHEAPER):
            assert text in page.locator(".how dl").inner_text()
        assert taken["balanced"].changes in page.locator(".preset.main").inner_text()
        flag, title = (page.locator(css).bounding_box()["y"] for css in (".before", "h1"))
        assert flag < title < page.locator(".headline .of").bounding_box()["y"]
        assert "alexnet has random weights" in page.locator(".before").inner_text()
        watch.assert_quiet()


def recommended(world, *names):
    """The same sweep with these choices taken, one a preset."""
    made = zip(world.sweep.recommendations, names, strict=True)
    found = tuple(replace(item, name=name) for item, name in made)
    return replace(world, sweep=replace(world.sweep, recommendations=found))


def test_presets_that_take_the_same_choice_share_a_card(browser, twelve, write):
    world, _ = twelve
    one, other = (item.choice.name for item in world.sweep.scored[:2])
    with opened(browser, write(recommended(world, one, one, one)).html) as (page, _):
        assert page.locator(".preset h2").all_inner_texts() == ["Best quality, balanced and cheapest agree"]
        for item in world.sweep.recommendations:
            assert item.changes in page.locator(".preset").inner_text()
    with opened(browser, write(recommended(world, one, other, other)).html) as (page, _):
        heads = page.locator(".preset h2").all_inner_texts()
        assert heads == ["Best quality", "Balanced and cheapest\nrecommended"]


def test_which_half_a_score_is_of_stands_beside_it(browser, twelve):
    world, files = twelve
    taken = world.sweep.named(world.sweep.recommendations[1].name)
    with opened(browser, files.html) as (page, _):
        head = page.locator(".headline").inner_text()
        assert f"{taken.reported.value:.3f}\nMacro MAP@R on the half of the images that had no say" in head
        assert f"{taken.metrics['map@r.macro'].value:.3f} on all 60 images" in head
        columns = page.locator("#choices-table thead th").all_inner_texts()
        assert {"Score", "Choosing half", "All images"} <= {text.strip() for text in columns}
        assert "Scores here are over all images" in page.locator("#classes").inner_text()


def test_a_tie_by_the_number_of_comparisons_alone_is_said_to_be_one(browser, twelve, write):
    world, _ = twelve
    first, second, *rest = world.sweep.scored
    second = replace(second, tied=True, to_best=replace(second.to_best, lo=-0.03, hi=-0.01))
    files = write(replace(world, sweep=replace(world.sweep, scored=(first, second, *rest))))
    with opened(browser, files.html) as (page, _):
        assert page.locator("#choice-1 .tie").inner_text() == "not told apart"
        assert "of 11 comparisons some do so by luck" in page.locator("#choices").inner_text()
        page.evaluate("showChoice(1, '')")
        assert "after correction for 11 comparisons; more images would decide" in page.inner_text("#here-facts")


def test_names_break_after_a_slash_and_commands_wrap_on_a_phone(browser, twelve):
    _, files = twelve
    with opened(browser, files.html, viewport={"width": 390, "height": 844}) as (page, _):
        wide = "all => all.filter(one => one.scrollWidth > one.clientWidth).map(one => one.textContent)"
        assert page.eval_on_selector_all(".command code, #dropped .scroll", wide) == []
        assert page.locator(".command code >> visible=true").count() >= 5
        assert page.inner_html("#here-name").count("/<wbr>") == 1
        assert page.locator("h1 wbr").count() == 1


def test_the_table_sorts_filters_copies_and_saves(browser, twelve):
    world, files = twelve
    with opened(browser, files.html, accept_downloads=True) as (page, watch):
        ordered = sorted(world.sweep.scored, key=lambda item: -item.reported.value)
        assert ordered != list(world.sweep.scored)
        assert names_in_order(page) == [item.choice.name for item in ordered]
        assert page.locator("#choices-table th[data-key=score]").get_attribute("aria-sort") == "descending"
        page.click("#choices-table th[data-key=bytes] button")
        sizes = page.eval_on_selector_all(ROWS, "all => all.map(row => Number(row.dataset.bytes))")
        assert sizes == sorted(sizes, reverse=True)
        page.evaluate(CLIPBOARD)
        page.click("[data-csv=choices-table]")
        page.wait_for_function("window.copied")
        with page.expect_download() as waiting:
            page.click("[data-save=choices-table]")
        assert waiting.value.suggested_filename == "sweep-choices-table.csv"
        lines = waiting.value.path().read_text().splitlines()
        assert lines == page.evaluate("window.copied").splitlines()
        assert len(lines) == 13
        assert {"choice", "score_lo", "to_best", "p_value", "tied", "flops", "p_1", "hub_skew"} <= set(
            lines[0].split(",")
        )
        watch.assert_quiet()


def test_the_figure_shows_every_choice_and_reads_out_the_one_pointed_at(browser, twelve):
    world, files = twelve
    scored = world.sweep.scored
    with opened(browser, files.html) as (page, watch):
        hollow = page.eval_on_selector_all(".spot.hollow", "all => all.map(spot => Number(spot.dataset.choice))")
        assert sorted(hollow) == [i for i, item in enumerate(scored) if not item.on_front]
        ringed = page.eval_on_selector_all(".spot:has(.halo)", "all => all.map(spot => Number(spot.dataset.choice))")
        assert {scored[i].choice.name for i in ringed} == {item.name for item in world.sweep.recommendations}
        assert page.locator("#front-chart line.reach:not(.speed)").count() == 12
        assert page.locator("#front-chart line.reach.speed").count() == page.locator("#front-chart .spot").count() == 12
        cost = world.sweep.named(world.sweep.recommendations[1].name).cost
        ends = [f"{end:,.0f}" for end in cost.speed]
        assert f"images/s ({ends[0]} to {ends[1]})" in page.inner_text("#here-facts").replace("\xa0", " ")
        page.locator("#front-chart").scroll_into_view_if_needed()
        for number in (3, 7):
            spot, room = (
                page.locator(f".spot[data-choice='{number}']"),
                page.locator("#front-chart .plot").bounding_box(),
            )
            x, y = (float(spot.get_attribute(axis).rstrip("%")) / 100 for axis in "xy")
            page.mouse.move(room["x"] + x * room["width"], room["y"] + y * room["height"])
            assert page.locator("#here-name").inner_text() == scored[number].choice.name
            assert f"{scored[number].reported.value:.3f}" in page.locator("#here-facts").inner_text()
        watch.assert_quiet()


def test_the_figure_is_walked_with_the_keyboard_from_slow_to_fast_and_leads_to_the_row(browser, twelve):
    world, files = twelve
    by_speed = sorted(world.sweep.scored, key=lambda item: item.cost.images_s_end2end)
    with opened(browser, files.html) as (page, watch):
        page.keyboard.press("Tab")
        page.focus("#front-chart")
        page.keyboard.press("Home")
        seen = []
        for _ in by_speed:
            seen.append(page.locator("#here-name").inner_text())
            page.keyboard.press("ArrowRight")
        assert seen == [item.choice.name for item in by_speed]
        assert page.locator("#said").inner_text().startswith(by_speed[-1].choice.name)
        page.keyboard.press("Enter")
        assert page.evaluate("document.activeElement.dataset.choice") == by_speed[-1].choice.name
        assert page.locator("tr.picked").count() == 1
        watch.assert_quiet()


def test_cells_of_layers_and_pools_are_read_out_and_dropped_ones_say_why(browser, twelve):
    world, files = twelve
    with opened(browser, files.html) as (page, watch):
        cells = page.eval_on_selector_all("[id^=scores-] td[class^=s]", "all => all.map(cell => cell.textContent)")
        assert sorted(cells) == sorted(f"{item.reported.value:.3f}" for item in world.sweep.scored)
        assert page.locator("[id^=scores-] td.void").count() == len(world.sweep.dropped)
        colours = "row => [...row.cells].map(cell => getComputedStyle(cell).backgroundColor)"
        before = page.eval_on_selector("#scores-0 tr:has(td.void)", colours)
        page.hover("#scores-0 td.void")
        assert page.eval_on_selector("#scores-0 tr:has(td.void)", colours) == before
        assert world.sweep.dropped[0].reason in page.locator("#layers-readout").inner_text()
        page.focus("#alike-0")
        page.keyboard.press("ArrowRight")
        layers, matrix = world.sweep.cka[page.locator(".model-layers").first.get_attribute("aria-label")]
        assert f"{layers[0]} and {layers[1]}: CKA {matrix[0, 1]:.2f}" == page.locator("#layers-readout").inner_text()
        shown = page.locator(".alike li").count()
        assert shown == sum(float(f"{m[0, 1]:.2f}") >= 0.98 for _, m in world.sweep.cka.values())
        outlined = page.eval_on_selector_all("[id^=alike-] td.own", "all => all.map(cell => cell.textContent)")
        assert len(outlined) == 2 * shown
        assert all(float(text) >= 0.98 for text in outlined)
        assert "Two layers at 0.98 or above are one choice: keep the cheaper." in page.locator("#layers").inner_text()
        watch.assert_quiet()


def test_strips_stand_in_the_order_of_the_sweep_with_borders_by_relation(browser, twelve):
    world, files = twelve
    sweep = world.sweep
    with opened(browser, files.html) as (page, _):
        blocks = page.evaluate(
            """() => [...document.querySelectorAll('.block')].map(block => [
              block.querySelector('.query .thumb').dataset.enlarge,
              [...block.querySelectorAll('.line')].map(line => [line.querySelector('.line-head').title,
                [...line.querySelectorAll('li')].map(tile => [Number(tile.querySelector('.thumb').dataset.enlarge),
                  ['same','parent','different','unlabelled'].find(name => tile.classList.contains(name))])])])"""
        )
    assert len(blocks) == len(sweep.strips)
    strips = {str(strip.query): strip for strip in sweep.strips}
    for query, lines in blocks:
        strip = strips[query]
        assert [name for name, _ in lines] == list(strip.neighbours)
        for name, tiles in lines:
            assert [row for row, _ in tiles] == strip.neighbours[name].tolist()
            assert [kind for _, kind in tiles] == [relation(sweep.labels, int(query), row) for row, _ in tiles]


def relation(labels, a, b):
    if labels[a] == labels[b]:
        return "same"
    return "parent" if labels[a].split("#")[0] == labels[b].split("#")[0] else "different"


def test_at_most_four_choices_stand_side_by_side_and_pictures_enlarge(browser, twelve):
    _, files = twelve
    with opened(browser, files.html) as (page, watch):
        on = "[data-compare][aria-pressed=true]"
        lines = page.locator(".block >> nth=0").locator(".line:visible")
        assert page.locator("[data-compare]").count() == 6
        assert page.locator(on).count() == lines.count() == 4
        page.click("[data-compare='5']")
        assert page.locator(on).count() == lines.count() == 4
        assert page.locator("[data-compare='0']").get_attribute("aria-pressed") == "false"
        page.click("[data-compare='5']")
        assert lines.count() == 3
        page.reload()
        assert lines.count() == 3
        before = page.locator(".block:visible").count()
        page.click("#more-blocks")
        assert page.locator(".block:visible").count() > before
        page.focus(".block .line:visible [data-enlarge] >> nth=0")
        page.keyboard.press("Enter")
        assert "rank 1" in page.locator("#lightbox-note").inner_text()
        page.keyboard.press("ArrowRight")
        assert "rank 2" in page.locator("#lightbox-note").inner_text()
        page.keyboard.press("Escape")
        assert not page.locator("#lightbox").is_visible()
        watch.assert_quiet()


def test_classes_show_their_best_choice_and_distances(browser, twelve):
    world, files = twelve
    sweep = world.sweep
    taken = next(item.name for item in sweep.recommendations if item.preset == "balanced")
    with opened(browser, files.html) as (page, _):
        for row in page.locator("#by-class tbody tr").all():
            label = row.get_attribute("data-class")
            scores = {item.choice.name: item.per_class[label] for item in sweep.scored}
            assert row.get_attribute("data-best") == max(scores, key=scores.get)
            gain = max(scores.values()) - scores[taken]
            assert float(row.get_attribute("data-gain")) == pytest.approx(gain, abs=1e-4, rel=1e-3)
        page.focus("#distances")
        page.keyboard.press("ArrowDown")
        text = page.locator("#distances-readout").inner_text()
    labels = sweep.class_distance.labels
    assert text == f"{sweep.class_distance.matrix[1, 0]:.3f} {labels[1]} to {labels[0]}"


def test_curves_of_invariance_are_read_with_the_keyboard(browser, twelve):
    world, files = twelve
    with opened(browser, files.html) as (page, watch):
        assert page.locator("#invariance .chart").count() == 3
        page.keyboard.press("Tab")
        page.focus("#invariance-0")
        page.keyboard.press("End")
        text = page.locator("#invariance-0 .tip-box").inner_text()
        assert text.splitlines()[0] == "Rotated by 180°"
        taken = world.sweep.named(world.sweep.recommendations[1].name)
        share = dict(taken.self_hit["rotate"])[180.0]
        low, high = wilson(round(60 * share), 60)
        assert f"{share:.0%} ({low:.0%} to {high:.0%}) {taken.choice.name}" == spaced(text.splitlines()[1])
        drawn = page.locator("#invariance .curves-key .legend").count()
        assert page.locator("#invariance-0 g line").count() == 4 * drawn == 16
        assert page.locator("#invariance .curves-key").inner_text().count(world.sweep.recommendations[1].runner_up) == 1
        assert page.locator("#altered tbody tr").count() == 10
        assert "Scaled to 50" in page.locator("#altered").inner_text()
        watch.assert_quiet()


def spaced(text):
    """Percents as Python writes them."""
    return text.replace("\xa0%", "%").replace(" to ", "% to ")


@pytest.mark.parametrize(
    ("kind", "strength", "words"),
    [
        ("rotate", 45.0, "rotated by 45°"),
        ("scale", 0.5, "scaled to 50\xa0%"),
        ("brightness", 1.5, "set to 150\xa0% of their brightness"),
        ("jpeg", 10.0, "saved as JPEG of quality 10"),
        ("flip", 1.0, "mirrored"),
        ("a {b}", 2.0, "altered by a {b} 2"),
    ],
)
def test_alterations_are_said_in_plain_words(kind, strength, words):
    assert phrase(kind, strength) == words


def test_the_verdict_says_what_the_recommended_choice_does_not_bear(twelve):
    world, _ = twelve
    taken = world.sweep.named(world.sweep.recommendations[1].name)
    facts = {"rotate": ((90.0, 0.6), (180.0, 0.1)), "flip": ((1.0, 0.45),)}
    frail_one = replace(taken, self_hit=facts)
    scored = tuple(frail_one if item is taken else item for item in world.sweep.scored)
    found = frail(SweepFacts(replace(world.sweep, scored=scored), world.source))
    n = taken.metrics["self_hit@1"].n_queries
    tried, hit = f"It does not bear every change ({n} images tried)", "rotated by 180° find their original."
    assert found == f"{tried}: only 10\xa0% of the copies {hit}"


def test_of_a_file_of_weights_only_the_name_is_shown():
    assert origin("file:/home/me/net.safetensors") == "file:net.safetensors"
    assert [origin(text) for text in ("random:0", "IMAGENET1K_V1")] == ["random:0", "IMAGENET1K_V1"]


def test_what_was_dropped_stands_once_under_its_reason():
    drop = partial(Dropped, "net", "stem")
    world = make_sweep(None, 2, dropped=(
        drop("avg:3", 9000, Why.SIZE, "9,000 numbers a vector, more than 2,000"),
        drop("avg:4", 4000, Why.SIZE, "4,000 numbers a vector, more than 2,000"),
        drop("gem:3", None, Why.UNDEFINED,
             "pool 'gem:3' needs a map without negative values, and layer 'stem' has them"),
    ))  # fmt: skip
    long, negative = groups(SweepFacts(world.sweep, world.source))
    assert (long.reason, long.n) == ("More than 2,000 numbers a vector", "2 combinations")
    assert [line.pools for line in long.lines] == [[("avg:3", "9,000"), ("avg:4", "4,000")]]
    assert negative.reason == "The pool needs a map without negative values, and the layer has them"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_in_both_schemes(browser, twelve, scheme):
    with opened(browser, twelve[1].html, color_scheme=scheme) as (page, _):
        assert page.evaluate(CONTRAST) == []


def test_everything_is_there_without_scripts(browser, twelve):
    with opened(browser, twelve[1].html, java_script_enabled=False) as (page, _):
        assert page.locator(f"{ROWS} >> visible=true").count() == 12
        assert page.locator(".block >> visible=true").count() == 12
        assert page.locator(".spot").count() == 12
        assert page.locator(".js >> visible=true").count() == 0


def test_the_page_prints_without_controls(browser, twelve):
    with opened(browser, twelve[1].html, viewport={"width": 794, "height": 1123}) as (page, watch):
        page.evaluate("dispatchEvent(new Event('beforeprint'))")
        page.emulate_media(media="print")
        assert page.locator("button.quiet >> visible=true, .rail >> visible=true, input >> visible=true").count() == 0
        assert page.locator("#definitions tbody tr >> visible=true").count() > 5
        assert page.evaluate("document.documentElement.scrollWidth") <= 794
        watch.assert_quiet()


def test_three_hundred_choices_open_at_once_fold_filter_and_lead_to_their_row(browser, many):
    _, files = many
    assert files.html.stat().st_size < 1.5e6
    with opened(browser, files.html, viewport={"width": 390, "height": 844}) as (page, watch):
        assert min(seconds_to_load(page) for _ in range(2)) < 3
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        rows = page.locator(f"{ROWS} >> visible=true")
        assert rows.count() == 50
        page.fill("[data-filter=choices-table]", "vgg16 gem:3")
        assert 0 < rows.count() < 20
        assert all(
            "vgg16" in name and "gem:3" in name for name in rows.evaluate_all("a => a.map(r => r.dataset.choice)")
        )
        page.evaluate("showRow(299)")
        assert page.locator("#choice-299").is_visible()
        watch.assert_quiet()


def test_the_data_of_the_page_holds_no_path_of_this_machine(twelve):
    world, files = twelve
    text = files.html.read_text()
    assert str(world.source.image_root) not in text
    data = text.split('id="data">')[1].split("</script>")[0]
    assert len(json.loads(data)["choices"]) == 12
