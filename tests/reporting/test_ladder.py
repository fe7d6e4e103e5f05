"""The section on storage and index: its words, its files, and the page in a browser."""

import json
from dataclasses import replace

import pyarrow.parquet as pq
import pytest

from bignet.evaluate.ladder.result import INDEX, STORAGE, Ladder, Rung, Timing
from bignet.evaluate.result import Metric
from bignet.reporting.sections import ladder as section
from bignet.reporting.write import write_report
from tests.reporting.browser import opened
from tests.reporting.factory import make_world

SIZES = {"fp32": 64.0, "fp16": 32.0, "int8": 16.0, "sign": 2.0, "hnsw": 330.5}


def rung(name, overlap, change, *, reason=None, labels=True):
    found = Metric(
        f"overlap@10.{name}", None if reason else overlap, overlap, overlap, k=10, n_queries=24, reason=reason
    )
    p1 = Metric(f"p@1.{name}", 0.9 + (change or 0) if labels else None, k=1, n_queries=24)
    moved = Metric(
        f"p@1.change.{name}", change if labels else None, change and change - 0.002, change and change + 0.002
    )
    return Rung(
        id=name,
        name={"int8": "8-bit integers", "fp16": "float16"}.get(name, name),
        kind=INDEX if name == "hnsw" else STORAGE,
        bytes_a_vector=None if reason else SIZES[name],
        overlap=found,
        p1=p1,
        p1_change=None if name == "fp32" else moved,
        tie_rate=None if name == "hnsw" else 0.0,
        params={"bits": 16},
        reason=reason,
    )


def ladder(*, labels=True, int8=(0.99, 0.001), fp16=(0.9997, 0.0)):
    rungs = (
        rung("fp32", 1.0, 0.0, labels=labels),
        rung("fp16", *fp16, labels=labels),
        rung("int8", *int8, labels=labels),
        rung("sign", 0.5, -0.03, labels=labels),
        rung("hnsw", 0.98, 0.0, reason="too few vectors", labels=labels),
    )
    timings = {name: Timing(0.01, 5000.0, 20000.0) for name in SIZES if name != "hnsw"}
    return Ladder(rungs, 10, 24, 24, 16, "exact", timings)


@pytest.mark.parametrize(
    ("found", "says", "smallest"),
    [
        (ladder(), "8-bit integers keep 99 % of the 10 nearest in 25 % of the bytes, and P@1 moves by +0.001.", "int8"),
        (ladder(labels=False), "25 % of the bytes; no label says what that costs.", "int8"),
        (ladder(int8=(0.97, 0.0)), "Float16 keeps over 99.9 % of the 10 nearest in 50 % of the bytes, and", "fp16"),
        (ladder(int8=(0.99, -0.004)), "Float16 keeps", "fp16"),  # the end of its interval is beyond the rule
        (ladder(int8=(0.5, 0.0), fp16=(0.5, 0.0)), "Every smaller storage moves the neighbours or the scores", None),
    ],
)  # fmt: skip
def test_the_sentence_names_the_smallest_storage_that_will_do(found, says, smallest):
    assert says in section.answer(found).replace("\u00a0", " ")
    best = section.smallest(found)
    assert (best.id if best else None) == smallest


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    folder = tmp_path_factory.mktemp("ladder")
    world = make_world(folder / "images", ["cat", "dog"] * 12)
    return write_report(replace(world.evaluation, ladder=ladder()), world.source, folder / "report"), world, folder


def test_record_and_table_say_the_same_and_times_stand_apart(report):
    files, *_ = report
    record = json.loads(files.json.read_text())
    table = pq.read_table(files.ladder).to_pylist()
    assert [row["rung"] for row in table] == list(SIZES) == [each["id"] for each in record["ladder"]["rungs"]]
    assert table[2]["overlap"] == record["ladder"]["rungs"][2]["overlap"]["value"] == 0.99
    assert (table[4]["bytes_a_vector"], table[4]["reason"]) == (None, "too few vectors")
    assert record["timings"]["ladder"]["int8"] == {"build": 0.01, "single": 5000.0, "batch": 20000.0}
    assert "5000" not in json.dumps(record["ladder"])


def test_the_page_shows_every_rung_and_the_command(browser, report):
    files, *_ = report
    with opened(browser, files.html) as (page, watch):
        rows = page.eval_on_selector_all("#ladder-table tbody tr", "all => all.map(one => one.dataset.rung)")
        assert rows == list(SIZES)
        assert page.locator("#ladder-title .number").inner_text() == "8"
        assert page.locator("#map-title .number").inner_text() == "9"
        assert page.locator("#ladder .command code").inner_text().endswith("--kind SQ8")
        page.focus("#ladder-overlap")
        page.keyboard.press("Home")
        assert "2 bytes" in page.locator("#ladder-overlap .tip-box").inner_text()
        page.click("#ladder-table th:nth-child(3) button")
        numbers = page.eval_on_selector_all("#ladder-table tbody tr", "all => all.map(one => one.dataset.overlap)")
        known = [float(number) for number in numbers if number]
        assert known in (sorted(known), sorted(known, reverse=True))
        page.set_viewport_size({"width": 390, "height": 800})
        assert page.evaluate("document.documentElement.scrollWidth") == 390
        watch.assert_quiet()


def test_without_a_ladder_nothing_of_it_is_there(report):
    files, world, folder = report
    again = write_report(world.evaluation, world.source, folder / "report")
    assert again.ladder is None
    assert not files.ladder.exists()
    assert 'id="ladder"' not in again.html.read_text()
    assert json.loads(again.json.read_text())["ladder"] is None
