"""The same sections for stores of every kind: they say why they are empty, and never show what is undefined."""

from dataclasses import replace

import numpy as np
import pytest

from bignet.evaluate.geometry_result import Geometry, Projection
from bignet.reporting.settings import ReportSettings
from tests.reporting.browser import opened
from tests.reporting.factory import make_world, vectors_of

SECTIONS = ("confusion", "clusters", "geometry", "map")
HOSTILE = ["<script>alert(1)</script>", "</script><img src=x onerror=alert(1)>", 'x" onclick="alert(1)', "=1+1"]


def constant(folder):
    labels = ["a", "b"] * 10
    return make_world(folder, labels, vectors=np.tile(vectors_of(["a"]), (20, 1)), families=True)


WORLDS = {
    "twelve": (
        lambda folder: make_world(folder, [*"abcdefg", *"abcde"], spread=1.5, families=True),
        {"confusion": "The labels are flat", "geometry": "12 images cannot fill 16 dimensions"},
    ),
    "unlabelled": (
        lambda folder: make_world(folder, [None] * 40, families=True),
        {"confusion": "No image has a label", "clusters": "the largest holds", "map": "trustworthiness"},
    ),
    "one class": (
        lambda folder: make_world(folder, ["only"] * 40, families=True),
        {"confusion": "All labelled images are of one class"},
    ),
    "empty": (
        lambda folder: make_world(None, []),
        {
            "confusion": "No image has a label",
            "clusters": "There are too few images to form clusters.",
            "geometry": "no vectors",
            "map": "There is no map",
        },
    ),
    "two": (lambda folder: make_world(folder, ["a", "b"], families=True), {"map": "takes at least three images"}),
    "not measured": (
        lambda folder: make_world(folder, ["a", "b"] * 8),
        {
            "confusion": "was not measured for this report",
            "clusters": "No clusters were computed for this report.",
            "geometry": "was not measured for this report",
            "map": "No map was drawn for this report.",
        },
    ),
    "alike": (constant, {"geometry": "All vectors are alike"}),
    "no folder": (lambda folder: make_world(None, ["a", "b"] * 20, families=True), {"clusters": "no image folder"}),
}


@pytest.mark.parametrize("name", WORLDS)
def test_every_kind_of_store_gives_whole_sections(browser, tmp_path, write, name):
    make, sayings = WORLDS[name]
    files = write(make(tmp_path / "images"))
    with opened(browser, files.html, viewport={"width": 390, "height": 844}) as (page, watch):
        for section in SECTIONS:
            page.locator(f"#{section}").scroll_into_view_if_needed()
        page.wait_for_timeout(50)
        watch.assert_quiet()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        for section, text in sayings.items():
            assert text in page.locator(f"#{section}").text_content()
        for word in ("None", "nan", "NaN", "inf"):
            assert word not in page.locator("main").inner_text().split()


def test_hundreds_of_classes_stay_readable(browser, tmp_path, write):
    labels = [f"class-{i % 300:04d}" for i in range(600)]
    world = make_world(None, labels, families=True)
    with opened(browser, write(world).html, viewport={"width": 390, "height": 844}) as (page, watch):
        assert page.locator("#confused tbody tr >> visible=true").count() <= 50
        assert page.locator("#purity tbody tr >> visible=true").count() == 50
        page.fill("[data-filter=purity]", "class-0123")
        shown = page.locator("#purity tbody tr >> visible=true").evaluate_all("all => all.map(r => r.dataset.class)")
        assert "class-0123" in shown
        page.locator("#map-canvas").scroll_into_view_if_needed()
        page.wait_for_selector("#map-canvas[data-layout]", timeout=5000)
        assert page.locator("#map-classes li").count() == 10
        assert page.locator("#map-add option").count() == 291
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        watch.assert_quiet()


def test_hostile_names_do_no_harm_in_any_section(browser, tmp_path, write):
    names = tuple(f"ok/{i}{'</script>' if i % 2 else chr(0x202E)}.jpg".encode() for i in range(24))
    names = tuple(name.replace(b"/script", b"script") for name in names)
    world = make_world(tmp_path / "images", HOSTILE * 6, names=names, families=True)
    clusters = world.evaluation.clusters
    odd = replace(clusters.chosen, warnings=(HOSTILE[1],))
    world = replace(
        world,
        evaluation=replace(
            world.evaluation,
            clusters=replace(
                clusters, reason=HOSTILE[0], clusterings={**clusters.clusterings, clusters.suggested: odd}
            ),
        ),
    )
    files = write(world)
    with opened(browser, files.html) as (page, watch):
        assert page.locator("script").count() == 2
        page.locator("#map-canvas").scroll_into_view_if_needed()
        page.wait_for_selector("#map-canvas[data-layout]", timeout=5000)
        page.focus("#map-canvas")
        page.keyboard.press("ArrowRight")
        page.keyboard.press(" ")
        page.locator(".clustering:not([hidden]) .thumb").first.click()
        page.keyboard.press("Escape")
        page.hover("#shares tbody td")
        assert page.locator("main img, [onload], [onclick], [onerror]").count() == 0
        assert watch.dialogs == []
        watch.assert_quiet()
    assert "\u202e".encode() not in files.html.read_bytes()


def test_what_is_undefined_is_left_out_of_the_map(browser, tmp_path, write):
    world = make_world(None, ["a", "b"] * 20, families=True)
    first = world.evaluation.geometry.projections[0]
    xy = first.xy.copy()
    xy[3] = np.nan
    broken = Projection("pca", first.rows, xy, None, None)
    geometry = replace(world.evaluation.geometry, projections=(broken,))
    files = write(replace(world, evaluation=replace(world.evaluation, geometry=geometry)))
    with opened(browser, files.html) as (page, watch):
        page.locator("#map-canvas").scroll_into_view_if_needed()
        page.wait_for_selector("#map-canvas[data-layout]", timeout=5000)
        assert page.evaluate("atlas.n") == 39
        assert "was not computed" in page.locator("#map .answer").inner_text()
        assert page.locator("button[data-layout]").count() == 0
        watch.assert_quiet()


def test_too_many_rows_are_left_to_the_files(browser, tmp_path, write):
    world = make_world(None, ["a", "b"] * 30, families=True)
    geometry = Geometry(None, None, None, (Projection("pca", np.arange(0, 60, 3), np.eye(20)[:, :2], 0.9, 0.5),))
    world = replace(world, evaluation=replace(world.evaluation, geometry=geometry))
    files = write(world, settings=ReportSettings(listed_rows=50))
    with opened(browser, files.html) as (page, watch):
        assert page.locator("[data-members]").count() == 0
        assert "cluster_members.parquet" in page.locator("#clusters").inner_text()
        page.locator("#map-canvas").scroll_into_view_if_needed()
        page.wait_for_selector("#map-canvas[data-layout]", timeout=5000)
        page.focus("#map-canvas")
        page.keyboard.press("ArrowRight")
        path = page.locator("#map-here span").last.inner_text()
        assert path.encode() in {world.source.paths[row] for row in range(0, 60, 3)}
        watch.assert_quiet()
