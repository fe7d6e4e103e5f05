import json

import pytest

from tests.reporting.browser import CLIPBOARD, CONTRAST, opened

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
        assert page.locator(".preset h2").all_inner_texts() == ["Best quality", "Balanced\nrecommended", "Cheapest"]
        shown = page.eval_on_selector_all(".preset .model-text", "all => all.map(name => name.title)")
        assert shown == [taken[preset].name for preset in ("best", "balanced", "cheapest")]
        assert taken["balanced"].reason in page.locator(".preset.main").inner_text()
        assert taken["balanced"].changes[1:] in page.locator(".sentences").inner_text()
        flag, title = (page.locator(css).bounding_box()["y"] for css in (".before", "h1"))
        assert flag < title < page.locator(".headline .of").bounding_box()["y"]
        assert "alexnet has random weights" in page.locator(".before").inner_text()
        watch.assert_quiet()


def test_the_table_sorts_filters_copies_and_saves(browser, twelve):
    world, files = twelve
    with opened(browser, files.html, accept_downloads=True) as (page, watch):
        assert names_in_order(page) == [item.choice.name for item in world.sweep.scored]
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
        assert page.locator("#front-chart line.reach").count() == page.locator("#front-chart .spot").count() == 12
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
        assert f"{layers[0]} and {layers[1]}: CKA {matrix[0, 1]:.3f}" == page.locator("#layers-readout").inner_text()
        shown = page.locator(".alike li").count()
        assert shown == sum((m[0, 1] > 0.98) for _, m in world.sweep.cka.values())
        assert "Two layers above 0.98 are one choice: keep the cheaper." in page.locator("#layers").inner_text()
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
        assert text.splitlines()[0] == "Rotation 180 degrees"
        best = world.sweep.scored[0]
        share = dict(best.self_hit["rotate"])[180.0]
        assert f"{best.choice.name} {share:.3f}" in text
        assert page.locator("#altered tbody tr").count() == 10
        watch.assert_quiet()


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
    assert files.html.stat().st_size < 15e6
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
