import errno
import json
import os

import numpy as np
import pyarrow.parquet as pq
import pytest

import bignet
from bignet.errors import ResourceError, UsageError
from tests.cli.conftest import MODEL, draw

COLUMNS = ["query", "rank", "id", "path", "score", "label", "group", "reason"]
STRAY = b"stray\xff.png"


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A store of 12 pictures; 9 queries: 3 of them stored, one twice, a stray name, and 3 that are no pictures."""
    root = tmp_path_factory.mktemp("folder")
    for number in range(12):
        draw(root / "in" / ("cat", "dog")[number % 2] / f"{number}.png", number)
    bignet.extract(root / "in", root / "s", model=MODEL, weights="random:0")
    for number in (30, 31):
        draw(root / "new" / f"{number}.png", number)
    (root / "new" / "again.png").write_bytes((root / "new" / "31.png").read_bytes())
    for number in (2, 5):
        (root / "new" / f"known-{number}.png").write_bytes(
            (root / "in" / ("cat", "dog")[number % 2] / f"{number}.png").read_bytes()
        )
    draw(root / "new" / "z.png", 33)
    (root / "new" / "z.png").rename(root / "new" / os.fsdecode(STRAY))
    (root / "new" / "words.png").write_text("no picture")
    (root / "new" / "half.png").write_bytes((root / "new" / "30.png").read_bytes()[:90])
    (root / "new" / "empty.png").write_bytes(b"")
    return root


def rows(path):
    if path.suffix == ".parquet":
        return pq.read_table(path).to_pylist()
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
def test_every_query_is_there_with_its_hits_or_the_reason(world, tmp_path, name):
    store = bignet.open(world / "s")
    done = store.search_folder(world / "new", tmp_path / name, k=4)
    found = rows(tmp_path / name)
    by_query = {}
    for row in found:
        by_query.setdefault(row["query"], []).append(row)
    assert list(found[0]) == COLUMNS
    assert list(by_query) == sorted(by_query)
    bad = {"words.png": "unsupported_format", "half.png": "truncated", "empty.png": "truncated"}
    assert {query: part[0]["reason"] for query, part in by_query.items() if part[0]["reason"]} == bad
    assert set(by_query) - set(bad) == {"30.png", "31.png", "again.png", "known-2.png", "known-5.png", r"stray\xff.png"}
    for query, part in by_query.items():
        if query in bad:
            assert [value for key, value in part[0].items() if key not in ("query", "reason")] == [None] * 6
            continue
        hits = store.search(world / "new" / (os.fsdecode(STRAY) if "stray" in query else query), k=4)
        assert [row["rank"] for row in part] == [1, 2, 3, 4]
        assert [(row["id"], row["path"], row["label"]) for row in part] == [(h.id, h.path, h.label) for h in hits]
        np.testing.assert_allclose([row["score"] for row in part], [h.score for h in hits], atol=1e-6)
    assert (done.n_queries, done.n_answered, done.n_hits) == (9, 6, 24)
    assert dict(done.reasons) == {"unsupported_format": 1, "truncated": 2}
    assert dict(done.searched) == {"exact scan of 12 rows": 6}
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_queries_that_are_stored_can_leave_themselves_out(world, tmp_path):
    store = bignet.open(world / "s")
    store.search_folder(world / "new", tmp_path / "a.jsonl", k=99, exclude_self=True)
    counts = {}
    for row in rows(tmp_path / "a.jsonl"):
        counts[row["query"]] = counts.get(row["query"], 0) + (row["rank"] is not None)
    assert (counts["known-2.png"], counts["30.png"]) == (11, 12)


def test_filters_groups_and_thresholds_hold_in_a_folder_too(world, tmp_path):
    store = bignet.open(world / "s")
    store.search_folder(world / "new", tmp_path / "a.parquet", where="label = 'cat'", group_by="id % 2 = 0")
    found = [row for row in rows(tmp_path / "a.parquet") if row["rank"]]
    assert {row["label"] for row in found} == {"cat"}
    assert {row["group"] for row in found} <= {"True", "False"}
    done = store.search_folder(world / "new", tmp_path / "b.parquet", where="false")
    assert {row["reason"] for row in rows(tmp_path / "b.parquet")} >= {"nothing_found"}
    assert done.n_answered == 0


@pytest.mark.parametrize(
    ("folder", "out", "options", "says"),
    [
        ("new", "a.csv", {}, r"\.parquet, \.jsonl"),
        ("nowhere", "a.jsonl", {}, "does not exist"),
        ("void", "a.jsonl", {}, "no files found"),
        ("new", "a.jsonl", {"where": "colour"}, "where"),
        ("new", "a.jsonl", {"device": "tpu"}, "tpu"),
    ],
)
def test_what_cannot_be_done_is_said_and_nothing_is_written(world, tmp_path, folder, out, options, says):
    (world / "void").mkdir(exist_ok=True)
    with pytest.raises(UsageError, match=says):
        bignet.open(world / "s").search_folder(world / folder, tmp_path / out, **options)
    assert list(tmp_path.iterdir()) == []


def test_a_wrong_condition_is_known_before_the_network_is_built(world, tmp_path, monkeypatch):
    monkeypatch.setattr("bignet.extractor.encoder.rebuild", lambda *_: pytest.fail("nothing can be answered"))
    with pytest.raises(UsageError, match="where"):
        bignet.open(world / "s").search_folder(world / "new", tmp_path / "a.jsonl", where="colour = 1")


def test_a_full_disk_leaves_the_older_answers(world, tmp_path, monkeypatch):
    out = tmp_path / "a.parquet"
    bignet.open(world / "s").search_folder(world / "new", out, k=1)
    before = out.read_bytes()

    def full(_descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match="disk is full"):
        bignet.open(world / "s").search_folder(world / "new", out, k=2)
    assert out.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_progress_reaches_the_end(world, tmp_path):
    seen = []

    class Listener:
        def advanced(self, n_done, n_total):
            seen.append((n_done, n_total))

    bignet.open(world / "s").search_folder(world / "new", tmp_path / "a.jsonl", listener=Listener())
    assert (seen[0], seen[-1]) == ((0, 9), (9, 9))
