"""Imported stores: what they hold, what they refuse, and that they are stores like any other."""

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

import bignet
from bignet.errors import LockedError, ResourceError, UsageError
from bignet.store.writer import writing
from tests import oracle

RNG = np.random.default_rng(5)


def vectors(n=50, dims=8):
    return RNG.standard_normal((n, dims)).astype(np.float32)


def lines(path, items):
    path.write_bytes(b"".join(item.encode() + b"\n" if isinstance(item, str) else item + b"\n" for item in items))
    return path


def npy(tmp_path, array, name="vectors.npy"):
    np.save(tmp_path / name, array)
    return tmp_path / name


def imported(tmp_path, array, store="store", **settings):
    """Vectors -> what the store holds, by the oracle."""
    bignet.import_vectors(npy(tmp_path, array), tmp_path / store, **settings)
    assert oracle.leftovers(tmp_path / store) == []
    assert bignet.verify(tmp_path / store).ok
    return oracle.check(tmp_path / store)


def labels_of(store):
    table = bignet.open(store).table()
    return dict(zip(table["id"].to_pylist(), table["label"].to_pylist(), strict=True))


def test_every_vector_gets_its_id_path_and_label(tmp_path):
    array = vectors()
    ids = RNG.permutation(1000)[:50]
    paths = [f"{number % 3}/é{number}.jpg".encode() for number in range(49)] + [b"stray\xff.jpg"]
    labels = ["" if number == 7 else f"animal#{number % 3}" for number in range(50)]

    content = imported(
        tmp_path,
        array,
        ids=npy(tmp_path, ids, "ids.npy"),
        paths=lines(tmp_path / "paths.txt", paths),
        labels=lines(tmp_path / "labels.txt", labels),
        name="clip",
    )

    assert content.complete
    assert content.ids == dict(zip(paths, ids.tolist(), strict=True))
    for path, vector in zip(paths, array, strict=True):
        digest, stored = content.rows[path]
        np.testing.assert_array_equal(stored["clip"], vector)
        assert digest == hashlib.sha256(vector.tobytes()).digest()
    assert labels_of(tmp_path / "store") == dict(zip(ids.tolist(), [label or None for label in labels], strict=True))


def test_without_ids_and_paths_rows_are_numbered(tmp_path):
    content = imported(tmp_path, vectors(12))
    assert content.ids == {str(number).encode(): number for number in range(12)}


@pytest.mark.parametrize("dtype", ["<f2", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("storage", ["float32", "float16"])
def test_numbers_are_stored_as_asked_whatever_they_came_as(tmp_path, dtype, storage):
    array = vectors().astype(dtype)
    content = imported(tmp_path, array, storage=storage)
    for number, vector in enumerate(array):
        np.testing.assert_array_equal(content.rows[b"%d" % number][1]["vectors"], vector.astype(storage))


def test_vectors_without_a_direction_are_rejected_and_counted(tmp_path):
    array = vectors(10).astype(np.float64)
    array[1, 3], array[2, 0], array[4], array[5, 5], array[6] = np.nan, -np.inf, 0, 1e39, 1e-60

    content = imported(tmp_path, array)

    wrong = {b"1", b"2", b"4", b"5", b"6"}
    assert content.rejected == dict.fromkeys(wrong, "non_finite_vector")
    assert set(content.rows) == {str(number).encode() for number in range(10)} - wrong
    details = {row["path"]: row["detail"] for row in bignet.open(tmp_path / "store").rejected().to_pylist()}
    assert details[b"1"] == "1 of 8 numbers are not finite as float32"
    assert details[b"6"] == "all numbers are 0 as float32"


def test_a_store_of_rejected_vectors_alone_is_a_store(tmp_path):
    content = imported(tmp_path, np.full((3, 4), np.nan))
    assert (len(content.rows), len(content.rejected)) == (0, 3)


def test_a_parquet_file_brings_its_own_columns(tmp_path):
    array = vectors(4)
    digests = [hashlib.sha256(b"%d" % number).digest() for number in range(4)]
    table = {
        "emb": array.tolist(),
        "id": [9, 3, 5, 4],
        "path": ["d.jpg", "a.jpg", "c.jpg", "b.jpg"],
        "label": ["x", None, "", "y"],
        "width": pa.array([640, 0, None, 10], pa.int64()),
        "height": pa.array([480, 0, None, 20], pa.uint16()),
        "sha256": [digests[0].hex(), digests[1].hex(), None, digests[3].hex()],
        "caption": ["not", "looked", "at", "at all"],
    }
    pq.write_table(pa.table(table), tmp_path / "v.parquet")

    bignet.import_vectors(tmp_path / "v.parquet", tmp_path / "store", name="clip")

    content = oracle.check(tmp_path / "store")
    assert content.ids == {b"d.jpg": 9, b"a.jpg": 3, b"c.jpg": 5, b"b.jpg": 4}
    stored = bignet.open(tmp_path / "store").table().select(["id", "label", "width", "height"]).to_pylist()
    assert sorted(map(str, stored)) == sorted(
        str({"id": i, "label": label, "width": w, "height": h})
        for i, label, w, h in [(9, "x", 640, 480), (3, None, 0, 0), (5, None, 0, 0), (4, "y", 10, 20)]
    )
    assert content.rows[b"d.jpg"][0] == digests[0]
    as_stored = np.asarray(table["emb"][2], np.float32)
    assert content.rows[b"c.jpg"][0] == hashlib.sha256(as_stored.tobytes()).digest()
    np.testing.assert_array_equal(content.rows[b"c.jpg"][1]["clip"], as_stored)


def test_files_beside_the_vectors_take_the_place_of_columns(tmp_path):
    pq.write_table(pa.table({"v": [[1.0], [2.0]], "id": ["a", "b"], "path": ["x", "y"]}), tmp_path / "v.parquet")
    with pytest.raises(UsageError, match=r"column 'id' of .*'a' is no id"):
        bignet.import_vectors(tmp_path / "v.parquet", tmp_path / "store")
    bignet.import_vectors(tmp_path / "v.parquet", tmp_path / "store", ids=lines(tmp_path / "ids.txt", ["5", "4"]))
    assert oracle.check(tmp_path / "store").ids == {b"x": 5, b"y": 4}


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("sha256", ["ab", "cd"], "holds what is no SHA-256"),
        ("sha256", ["x" * 64, "y" * 64], "holds what is no SHA-256"),
        ("width", [1.5, 2.5], "whole numbers of pixels"),
        ("width", ["wide", "x"], "whole numbers of pixels"),
        ("height", [-1, 5], "below 0"),
        ("path", ["a", "a"], "1 value more than once: 'a'"),
        ("id", [4, 4], "1 value more than once: '4'"),
    ],
)
def test_columns_that_cannot_be_used_are_named_and_nothing_is_left(tmp_path, column, values, says):
    pq.write_table(pa.table({"v": [[1.0], [2.0]], column: values}), tmp_path / "v.parquet")
    with pytest.raises(UsageError, match=says):
        bignet.import_vectors(tmp_path / "v.parquet", tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_with_images_digest_bytes_time_and_size_are_those_of_the_files(tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    turned = Image.Exif()
    turned[0x0112] = 6  # a quarter turn
    Image.new("RGB", (30, 20), "red").save(photos / "a.jpg", exif=turned)
    (photos / "b.jpg").write_bytes(b"no picture")
    (photos / "c.jpg").mkdir()
    paths = lines(tmp_path / "paths.txt", ["a.jpg", "b.jpg", "c.jpg", "d.jpg"])

    content = imported(tmp_path, vectors(4), paths=paths, images=photos)

    rows = {row["path"]: row for row in bignet.open(tmp_path / "store").table().to_pylist()}
    for name in (b"a.jpg", b"b.jpg"):
        data = (photos / name.decode()).read_bytes()
        assert content.rows[name][0] == hashlib.sha256(data).digest()
        assert rows[name]["bytes"] == len(data)
        assert rows[name]["mtime_ns"] == (photos / name.decode()).stat().st_mtime_ns
    assert [(rows[name]["width"], rows[name]["height"]) for name in sorted(rows)] == [(20, 30), (0, 0), (0, 0), (0, 0)]
    assert [rows[name]["bytes"] for name in (b"c.jpg", b"d.jpg")] == [0, 0]
    assert bignet.open(tmp_path / "store").snapshot.image_root() == photos


def test_a_folder_without_any_of_the_images_is_the_wrong_one(tmp_path):
    with pytest.raises(UsageError, match=r"none of the 3 paths, such as '0', is a file in .*; mend --images"):
        imported(tmp_path, vectors(3), images=tmp_path)
    assert not (tmp_path / "store").exists()


def test_paths_start_from_where_the_file_is_that_names_them(tmp_path):
    (tmp_path / "lists").mkdir()
    imported(tmp_path, vectors(1), paths=lines(tmp_path / "lists" / "paths.txt", ["a.jpg"]))
    imported(tmp_path, vectors(1), store="other")
    assert bignet.open(tmp_path / "store").snapshot.image_root() == tmp_path / "lists"
    assert bignet.open(tmp_path / "other").snapshot.image_root() == tmp_path


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"name": "../escape"}, "cannot name an embedding"),
        ({"name": ""}, "cannot name an embedding"),
        ({"name": ".hidden"}, "cannot name an embedding"),
        ({"name": "a" * 101}, "cannot name an embedding"),
        ({"name": "two\n"}, "cannot name an embedding"),
        ({"name": "label"}, "another column of a store"),
        ({"storage": "int8"}, "storage 'int8' is unknown; allowed: float32, float16"),
        ({"paths": "nowhere.txt"}, "paths 'nowhere.txt' are not a file"),
        ({"images": "nowhere"}, "'nowhere' is not a folder"),
        ({"encoder": "two\nlines"}, "allowed: one line"),
    ],
)
def test_settings_that_cannot_be_used_are_named(tmp_path, settings, says):
    with pytest.raises(UsageError, match=says):
        imported(tmp_path, vectors(2), **settings)
    assert [item.name for item in tmp_path.iterdir()] == ["vectors.npy"]


@pytest.mark.parametrize("kind", ["ids", "paths", "labels"])
def test_files_of_another_length_are_refused_with_both_numbers(tmp_path, kind):
    file = lines(tmp_path / "three.txt", ["1", "2", "3"])
    with pytest.raises(UsageError, match=r"three.txt' has 3 rows, '.*vectors.npy' has 4 vectors"):
        imported(tmp_path, vectors(4), **{kind: file})


def test_the_same_import_again_changes_nothing(tmp_path):
    array, labels = vectors(), lines(tmp_path / "labels.txt", ["a"] * 50)
    imported(tmp_path, array, labels=labels)
    before = {path: path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file()}
    imported(tmp_path, array, labels=labels)
    assert {path: path.read_bytes() for path in (tmp_path / "store").rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("change", ["vectors", "labels", "name", "encoder", "storage"])
def test_another_import_into_a_store_is_refused_by_name(tmp_path, change):
    array, labels = vectors(5), lines(tmp_path / "labels.txt", "abcde")
    content = imported(tmp_path, array, labels=labels, encoder="CLIP")
    settings = {"labels": labels, "encoder": "CLIP"}
    settings |= {"name": {"name": "other"}, "encoder": {"encoder": "DINO"}, "storage": {"storage": "float16"}}.get(
        change, {}
    )
    if change == "labels":
        lines(labels, "abcdx")
    with pytest.raises(
        UsageError, match=r"store' exists already: 5 vectors 'vectors' imported from vectors.npy \(CLIP\)"
    ):
        imported(tmp_path, array + (change == "vectors"), **settings)
    oracle.assert_same_content(oracle.check(tmp_path / "store"), content)


def test_a_store_of_images_is_not_imported_into(tmp_path, photos_store):
    before = oracle.check(photos_store)
    with pytest.raises(
        UsageError, match=r"exists already: 3 vectors 'head.gap' of tests.tiny:build; .* another folder"
    ):
        bignet.import_vectors(npy(tmp_path, vectors(3)), photos_store)
    oracle.assert_same_content(oracle.check(photos_store), before)


@pytest.fixture
def photos_store(tmp_path):
    draw(tmp_path / "photos")
    bignet.extract(tmp_path / "photos", tmp_path / "s", model="tests.tiny:build", weights="random:0", layers=["head"])
    return tmp_path / "s"


def draw(folder):
    folder.mkdir()
    for number in range(3):
        Image.fromarray(RNG.integers(0, 255, (40, 40, 3), dtype=np.uint8)).save(folder / f"{number}.png")


def test_a_folder_of_something_else_is_not_taken_over(tmp_path):
    with pytest.raises(UsageError, match="is not a BigNet store"):
        imported(tmp_path, vectors(2), store=".")


def test_two_imports_at_a_time_do_not_mix(tmp_path):
    with writing(tmp_path / "store"), pytest.raises(LockedError, match="is being written by process"):
        imported(tmp_path, vectors(2))


def test_an_import_that_fails_midway_leaves_no_store(tmp_path, monkeypatch):
    monkeypatch.setattr("bignet.importer.batches._SHARD_BYTES", 8 * 4 * 10)
    real, calls = os.fsync, []

    def failing(descriptor):
        calls.append(descriptor)
        if len(calls) > 20:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(ResourceError, match="the disk is full"):
        imported(tmp_path, vectors(50))
    assert not (tmp_path / "store").exists()


def test_many_shards_hold_what_one_would(tmp_path, monkeypatch):
    array = vectors(103)
    array[50] = 0
    whole = imported(tmp_path, array)
    monkeypatch.setattr("bignet.importer.batches._SHARD_BYTES", 8 * 4 * 10)
    parts = imported(tmp_path, array, store="parts")
    oracle.assert_same_content(parts, whole)
    assert parts.ids == whole.ids
    assert len(list((tmp_path / "parts" / "shards").iterdir())) == 11
    assert parts.number == 1


def test_what_a_repair_dropped_is_filled_by_the_same_import(tmp_path, monkeypatch):
    monkeypatch.setattr("bignet.importer.batches._SHARD_BYTES", 8 * 4 * 10)
    array = vectors(30)
    whole = imported(tmp_path, array)
    shard = sorted((tmp_path / "store" / "shards").iterdir())[1]
    shard.write_bytes(shard.read_bytes()[:-1] + b"?")
    assert not bignet.verify(tmp_path / "store", repair=True).ok
    assert len(oracle.check(tmp_path / "store").rows) == 20
    filled = imported(tmp_path, array)
    assert filled.complete
    oracle.assert_same_content(filled, whole)


def test_the_manifest_says_that_it_was_imported(tmp_path):
    imported(tmp_path, vectors(3), encoder="CLIP ViT-B/32", name="clip")
    data = json.loads((tmp_path / "store" / "manifests" / "00000001.json").read_bytes())["manifest"]
    assert data["embeddings"][0]["encoder"]["model"] == "CLIP ViT-B/32"
    assert data["embeddings"][0]["encoder"]["imported_from"] == "vectors.npy"
    assert re.fullmatch("[0-9a-f]{64}", data["embeddings"][0]["encoder"]["sha256"])
    assert data["source"]["kind"] == "import"
    assert data["environment"]["pyarrow"] == pa.__version__


def test_search_index_and_report_work_without_a_model(tmp_path):
    centres = 3 * np.eye(3, 8)
    truth = np.arange(60) % 3
    array = (centres[truth] + RNG.standard_normal((60, 8))).astype(np.float32)
    labels = lines(tmp_path / "labels.txt", ["cat", "dog", "owl"] * 20)
    imported(tmp_path, array, labels=labels, name="clip")
    unit = array.astype(np.float64) / np.linalg.norm(array.astype(np.float64), axis=1, keepdims=True)
    expected = np.argsort(-unit @ unit[7])[:5]
    store = bignet.open(tmp_path / "store")
    for attempt in range(2):
        for query in (7, "id:7", "path:7", array[7]):
            hits = store.search(query, k=5)
            assert [hit.id for hit in hits] == expected.tolist()
            np.testing.assert_allclose([hit.score for hit in hits], unit[expected] @ unit[7], atol=1e-6)
        if not attempt:
            bignet.build_index(tmp_path / "store")
    evaluation, written = bignet.report(tmp_path / "store", tmp_path / "report")
    nearest = np.argsort(-(unit @ unit.T) + 9 * np.eye(60), axis=1)[:, 0]
    assert evaluation.metric("p@1").value == pytest.approx((truth[nearest] == truth).mean())
    record = json.loads(written.json.read_text())
    assert record["provenance"]["imported_from"] == "vectors.npy"
    assert record["provenance"]["model"] is None


def test_advice_in_a_report_is_never_to_extract(tmp_path):
    for number, array in enumerate((vectors(1), vectors(20), np.zeros((2, 4)))):
        imported(tmp_path, array, store=f"s{number}", name="clip")
        page = bignet.report(tmp_path / f"s{number}", tmp_path / f"r{number}")[1].html.read_text()
        assert "bignet extract" not in page
        assert "imported from" in page


def test_an_image_needs_the_encoder_unless_its_bytes_are_in_the_store(tmp_path):
    draw(tmp_path / "photos")
    paths = lines(tmp_path / "paths.txt", ["0.png", "1.png"])
    imported(tmp_path, vectors(2), paths=paths, images=tmp_path / "photos", name="clip", encoder="CLIP")
    store = bignet.open(tmp_path / "store")
    assert store.search(tmp_path / "photos" / "1.png", k=1)[0].path == "1.png"
    with pytest.raises(UsageError, match=r"'clip' was imported from vectors.npy \(CLIP\): .* id:N, path:P or a vector"):
        store.search(tmp_path / "photos" / "2.png")


@pytest.mark.parametrize("settings", [{}, {"model": "tests.tiny:build", "weights": "random:0"}, {"model": "resnet18"}])
def test_extracting_into_an_imported_store_is_refused_and_changes_nothing(tmp_path, settings):
    draw(tmp_path / "photos")
    content = imported(tmp_path, vectors(3))
    with pytest.raises(UsageError, match=r"imported from vectors.npy: .* extract into another store"):
        bignet.extract(tmp_path / "photos", tmp_path / "store", **settings)
    oracle.assert_same_content(oracle.check(tmp_path / "store"), content)
    assert oracle.leftovers(tmp_path / "store") == []


SCRIPT = """
import re, sys
from pathlib import Path
import bignet
if sys.argv[1:]:
    bignet.import_vectors(*sys.argv[1:])
print(sorted({"torch", "torchvision", "faiss"} & set(sys.modules)))
print(int(re.search(r"VmHWM:\\s+([0-9]+) kB", Path("/proc/self/status").read_text())[1]) // 1024)
"""


def run(*words):
    """A process of its own -> the heavy modules it loaded, and its peak in MiB."""
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *map(str, words)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    loaded, peak = done.stdout.splitlines()
    return loaded, int(peak)


def wide(path, n, dims=64):
    array = np.lib.format.open_memmap(path, "w+", np.float32, (n, dims))
    for start in range(0, n, 50_000):
        array[start : start + 50_000] = RNG.random((min(50_000, n - start), dims), np.float32)
    return path


def test_a_million_vectors_fill_no_more_memory_than_a_fifth_of_them(tmp_path):
    """The matrix grows by 195 MiB; what is known of a row beside its vector may take 50 bytes."""
    loaded, few = run(wide(tmp_path / "few.npy", 200_000), tmp_path / "few")
    _, many = run(wide(tmp_path / "many.npy", 1_000_000), tmp_path / "many")
    assert loaded == "[]"
    assert many - few < 80
    snapshot = bignet.open(tmp_path / "many").snapshot
    assert len(snapshot) == 1_000_000
    assert max(record.n_bytes for record in snapshot.manifest.shards) < 48 << 20
