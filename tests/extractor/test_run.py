import os
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from bignet.errors import MismatchError, UsageError
from bignet.extractor import decode, plan, run, workers
from bignet.extractor.encoder import Encoder
from bignet.extractor.run import extract
from bignet.extractor.settings import ExtractSettings
from bignet.images import Limits
from bignet.store.snapshot import Snapshot
from bignet.store.verify import verify
from tests import tiny
from tests.extractor.pictures import encoded, photo, put

SETTINGS = ExtractSettings(model="tests.tiny:build", weights="random:0", workers=2, batch_size=4, precision="fp32")
ROOT = Path(__file__).parents[2]


class World:
    """A folder of images and its store."""

    def __init__(self, folder):
        self.images = folder / "images"
        self.store = folder / "store"
        self.images.mkdir()

    def put(self, name, seed):
        return put(self.images, name, seed)

    def extract(self, **changes):
        """Run, check that no image was lost, and hand back the summary."""
        summary = extract(self.images, self.store, replace(SETTINGS, **changes))
        with Snapshot.open(self.store) as snapshot:
            assert verify(snapshot).findings == ()
            counts = snapshot.manifest.counts
            paths = {path for path, _ in self.rows()} | set(self.rejected())
        assert snapshot.manifest.complete
        assert counts.discovered == summary.discovered == counts.embedded + counts.rejected
        assert summary.discovered == summary.decoded + summary.copied + summary.rejected + summary.unchanged
        assert paths == {os.fsencode(item.relative_to(self.images)) for item in self.images.rglob("*.*")}
        return summary

    def rows(self, column="id"):
        """[(path, value)] in row order."""
        with Snapshot.open(self.store) as snapshot:
            table = snapshot.metadata(["path", column] if column != "path" else ["path"])
        return list(zip(table["path"].to_pylist(), table[column].to_pylist(), strict=True))

    def ids(self):
        return dict(self.rows())

    def vectors(self, name=None):
        """path -> vector."""
        with Snapshot.open(self.store) as snapshot:
            return dict(zip((path for path, _ in self.rows()), snapshot.vectors(name), strict=True))

    def rejected(self):
        """path -> reason."""
        with Snapshot.open(self.store) as snapshot:
            table = snapshot.rejected()
        return dict(zip(table["path"].to_pylist(), table["reason"].to_pylist(), strict=True))

    def bytes_on_disk(self):
        files = (item for item in self.store.rglob("*") if item.is_file())
        return {str(item): (item.read_bytes(), item.stat().st_mtime_ns) for item in files if item.name != ".lock"}


@pytest.fixture
def world(tmp_path):
    return World(tmp_path)


@pytest.fixture
def filled(world):
    """Ten pictures, two of the same bytes, and two files that are none."""
    for number in range(9):
        world.put(f"{'abc'[number % 3]}/{number}.png", number)
    world.put("twin.png", 0)
    (world.images / "broken.jpg").write_bytes(encoded(photo(1))[:200])
    (world.images / "notes.txt.jpg").write_text("milk, eggs")
    world.extract()
    return world


@pytest.fixture
def decoded(monkeypatch):
    """Digests of what is given to the decoder."""
    calls = []
    true_decode = decode.decode
    monkeypatch.setattr(decode, "decode", lambda data, *rest: calls.append(data) or true_decode(data, *rest))
    return calls


def test_every_file_is_embedded_or_rejected(filled):
    assert len(filled.ids()) == 10
    assert filled.rejected() == {b"broken.jpg": "truncated", b"notes.txt.jpg": "unsupported_format"}
    assert dict(filled.rows("label"))[b"a/0.png"] == "a"
    assert dict(filled.rows("label"))[b"twin.png"] is None


def test_rows_are_in_path_order_and_describe_their_file(filled):
    paths = [path for path, _ in filled.rows()]
    assert paths == sorted(paths)
    for column, value in (("width", 64), ("height", 48)):
        assert {found for _, found in filled.rows(column)} == {value}
    status = (filled.images / "a/3.png").stat()
    assert dict(filled.rows("bytes"))[b"a/3.png"] == status.st_size
    assert dict(filled.rows("mtime_ns"))[b"a/3.png"] == status.st_mtime_ns


def test_vectors_are_those_of_the_network_itself(filled):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = tiny.build().eval()
    for path, vector in filled.vectors("head.gap").items():
        data = (filled.images / os.fsdecode(path)).read_bytes()
        square = decode.decode(data, tiny.build.preprocess, Limits())[0]
        with torch.no_grad():
            maps = model.head(model.body(model.stem((square / 255 - 0.5) / 0.5)))
        np.testing.assert_allclose(vector, maps.mean(dim=(2, 3))[0].numpy(), rtol=1e-4, atol=1e-6)


def test_identical_bytes_are_decoded_once_and_have_a_row_each(world, decoded):
    for name in ("x/a.png", "b.png", "y/c.png"):
        world.put(name, 5)
    world.put("other.png", 6)
    summary = world.extract()
    assert (summary.decoded, summary.copied, len(decoded)) == (2, 2, 2)
    vectors = world.vectors()
    np.testing.assert_array_equal(vectors[b"b.png"], vectors[b"x/a.png"])
    assert len(set(world.ids().values())) == 4


def test_identical_bytes_are_not_decoded_in_a_later_run(filled, decoded):
    filled.put("later.png", 4)
    summary = filled.extract()
    assert (summary.decoded, summary.copied, summary.renamed, decoded) == (0, 1, 0, [])
    np.testing.assert_array_equal(filled.vectors()[b"later.png"], filled.vectors()[b"b/4.png"])


def test_twins_of_a_file_that_is_rejected_are_rejected(world, decoded):
    for name in ("a.jpg", "b.jpg", "c.jpg"):
        (world.images / name).write_bytes(encoded(photo(1))[:200])
    world.extract(shard_rows=2)
    assert set(world.rejected().values()) == {"truncated"}
    assert len(decoded) <= 2


def test_twins_of_a_file_that_takes_too_long_are_rejected_with_it(world, monkeypatch):
    slow = encoded(photo(1), "PNG")
    for name in ("a.png", "b.png"):
        (world.images / name).write_bytes(slow)
    world.put("c.png", 2)
    true_decode = decode.decode

    def decode_slowly(data, *rest):
        if data == slow:
            time.sleep(2.5)
        return true_decode(data, *rest)

    monkeypatch.setattr(decode, "decode", decode_slowly)
    world.extract(image_timeout=1.0)
    assert world.rejected() == {b"a.png": "timeout", b"b.png": "timeout"}
    monkeypatch.setattr(decode, "decode", true_decode)
    assert world.extract(retry_rejected=True).total_rows == 3


def test_a_second_run_reads_no_picture_and_writes_nothing(filled, decoded, monkeypatch):
    for module in ("plan", "workers"):
        monkeypatch.setattr(f"bignet.extractor.{module}.read_image_file", None)
    before = filled.bytes_on_disk()
    summary = extract(filled.images, filled.store, SETTINGS)
    assert (summary.unchanged, summary.decoded, summary.rejected) == (12, 0, 0)
    assert decoded == []
    assert filled.bytes_on_disk() == before


def test_a_second_run_does_not_import_torch(filled):
    code = (
        "import sys; from bignet.extractor.run import extract; from bignet.extractor.settings import ExtractSettings\n"
        "summary = extract(sys.argv[1], sys.argv[2], ExtractSettings(model='tests.tiny:build', weights='random:0'))\n"
        "assert summary.unchanged == 12, summary\n"
        "print(sorted({'torch', 'torchvision', 'faiss', 'timm'} & set(sys.modules)))"
    )
    command = [sys.executable, "-c", code, str(filled.images), str(filled.store)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120)
    assert done.stdout.strip() == "[]"


def test_added_files_get_new_ids(filled):
    before = filled.ids()
    filled.put("a/new.png", 50)
    summary = filled.extract()
    after = filled.ids()
    assert (summary.decoded, summary.unchanged) == (1, 12)
    assert after.pop(b"a/new.png") == 10
    assert after == before


def test_a_renamed_file_keeps_its_id(filled, decoded):
    before = filled.ids()
    (filled.images / "a/3.png").rename(filled.images / "z.png")
    summary = filled.extract()
    assert (summary.renamed, summary.copied, summary.removed, decoded) == (1, 1, 0, [])
    assert filled.ids() == {path: row_id for path, row_id in before.items() if path != b"a/3.png"} | {
        b"z.png": before[b"a/3.png"]
    }


def test_a_renamed_folder_keeps_its_ids_and_changes_its_labels(filled, decoded):
    before = filled.ids()
    (filled.images / "b").rename(filled.images / "dogs")
    filled.extract()
    after = filled.ids()
    assert decoded == []
    assert {after[path.replace(b"b/", b"dogs/")] for path in before if path[:2] == b"b/"} == {
        row_id for path, row_id in before.items() if path[:2] == b"b/"
    }
    assert dict(filled.rows("label"))[b"dogs/1.png"] == "dogs"


def test_a_file_moved_over_another_keeps_its_id(filled):
    before = filled.ids()
    (filled.images / "a/3.png").replace(filled.images / "a/6.png")
    filled.extract()
    after = filled.ids()
    assert after[b"a/6.png"] == before[b"a/3.png"]
    assert before[b"a/6.png"] not in after.values()


def test_a_changed_file_gets_a_new_id(filled):
    before, old = filled.ids(), filled.vectors()
    filled.put("a/3.png", 77)
    assert filled.extract().decoded == 1
    after = filled.ids()
    assert after[b"a/3.png"] == 10
    assert not np.array_equal(filled.vectors()[b"a/3.png"], old[b"a/3.png"])
    assert {path for path in before if after[path] != before[path]} == {b"a/3.png"}


def test_files_that_swap_their_contents_swap_their_vectors(filled, decoded):
    old = filled.vectors()
    first, second = filled.images / "a/3.png", filled.images / "a/6.png"
    first.rename(filled.images / "aside")
    second.rename(first)
    (filled.images / "aside").rename(second)
    for path in (first, second):
        os.utime(path)
    filled.extract()
    new = filled.vectors()
    assert decoded == []
    np.testing.assert_array_equal(new[b"a/3.png"], old[b"a/6.png"])
    np.testing.assert_array_equal(new[b"a/6.png"], old[b"a/3.png"])


def test_a_touched_file_keeps_its_id_and_is_not_decoded(filled, decoded):
    before = filled.ids()
    os.utime(filled.images / "a/3.png", ns=(5, 5))
    summary = filled.extract()
    assert (summary.copied, decoded) == (1, [])
    assert filled.ids() == before
    assert dict(filled.rows("mtime_ns"))[b"a/3.png"] == 5
    assert filled.extract().snapshot == summary.snapshot


def test_rows_of_deleted_files_go_and_their_ids_are_not_used_again(filled):
    (filled.images / "twin.png").unlink()
    (filled.images / "broken.jpg").unlink()
    assert filled.extract().removed == 2
    assert max(filled.ids().values()) == 8
    filled.put("new.png", 60)
    filled.extract()
    assert filled.ids()[b"new.png"] == 10


def test_a_deleted_twin_leaves_the_others_vector(filled, decoded):
    (filled.images / "a/0.png").unlink()
    filled.put("again.png", 0)
    filled.extract()
    vectors = filled.vectors()
    assert decoded == []
    np.testing.assert_array_equal(vectors[b"again.png"], vectors[b"twin.png"])


def test_everything_at_once_equals_a_fresh_store(filled, tmp_path):
    (filled.images / "a/3.png").rename(filled.images / "0.png")
    (filled.images / "b/1.png").unlink()
    filled.put("c/2.png", 88)
    filled.put("new/deep/er.png", 89)
    filled.put("new/twin.png", 7)
    (filled.images / "broken.jpg").write_bytes(encoded(photo(1)))
    os.utime(filled.images / "c/5.png", ns=(7, 7))
    filled.extract(shard_rows=2)
    fresh = World.__new__(World)
    fresh.images, fresh.store = filled.images, tmp_path / "fresh"
    fresh.extract()
    assert {path for path, _ in filled.rows()} == {path for path, _ in fresh.rows()}
    assert dict(filled.rows("sha256")) == dict(fresh.rows("sha256"))
    assert dict(filled.rows("label")) == dict(fresh.rows("label"))
    assert filled.rejected() == fresh.rejected()
    ours, theirs = filled.vectors(), fresh.vectors()
    for path, vector in theirs.items():
        np.testing.assert_allclose(ours[path], vector, rtol=1e-5, atol=1e-6)


def test_rehash_finds_a_change_that_kept_size_and_time(filled):
    path = filled.images / "a/3.png"
    status = path.stat()
    data = encoded(photo(99), "PNG")
    data = (data + b"\0" * status.st_size)[: status.st_size] if len(data) <= status.st_size else None
    if data is None:
        data = encoded(photo(99, (8, 8)), "PNG").ljust(status.st_size, b"\0")
    path.write_bytes(data)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    old = filled.vectors()[b"a/3.png"]
    assert filled.extract().decoded == 0
    assert filled.extract(rehash=True).decoded == 1
    assert not np.allclose(filled.vectors()[b"a/3.png"], old)


def test_rehash_of_what_is_unchanged_keeps_every_row(filled):
    before = filled.ids()
    files = {path: path.read_bytes() for path in filled.store.rglob("*") if path.is_file()}
    summary = filled.extract(rehash=True, retry_rejected=True)
    assert (summary.decoded, summary.copied) == (0, 0)
    assert filled.ids() == before
    assert {path: path.read_bytes() for path in filled.store.rglob("*") if path.is_file()} == files


def test_a_rejected_file_is_not_decoded_again_unless_asked(filled, decoded):
    filled.extract()
    assert decoded == []
    summary = filled.extract(retry_rejected=True)
    assert (len(decoded), summary.rejected, summary.total_rejected) == (2, 2, 2)


def test_a_mended_file_is_embedded(filled):
    (filled.images / "broken.jpg").write_bytes(encoded(photo(31)))
    summary = filled.extract()
    assert (summary.decoded, summary.total_rejected) == (1, 1)
    assert b"broken.jpg" in filled.ids()


def test_a_file_that_breaks_loses_its_row(filled):
    (filled.images / "a/3.png").write_bytes(b"\x89PNG no more")
    filled.extract()
    assert b"a/3.png" not in filled.ids()
    assert filled.rejected()[b"a/3.png"] == "corrupt"


def test_an_unreadable_file_is_tried_in_every_run(world, decoded):
    world.put("a.png", 1)
    (world.images / "link.png").symlink_to(world.images.parent / "later.png")
    assert world.extract().total_rejected == 1
    assert world.rejected() == {b"link.png": "unreadable"}
    before = world.bytes_on_disk()
    world.extract()
    assert world.bytes_on_disk() == before
    put(world.images.parent, "later.png", 2)
    assert world.extract().total_rows == 2


def test_unreadable_files_that_hang_when_they_are_read_again_hold_no_run(world, monkeypatch):
    world.put("a.png", 1)
    names = [b"1.png", b"2.png", b"3.png"]
    for name in names:
        (world.images / name.decode()).symlink_to(world.images.parent / "later.png")
    world.extract()
    assert world.rejected() == dict.fromkeys(names, "unreadable")
    true_read, freed, asked = workers.read_image_file, threading.Event(), []

    def read(path, limits=None):
        if path.endswith(b"a.png"):
            return true_read(path, limits)
        asked.append(path)
        freed.wait(60)
        return true_read(path, limits)

    for module in (plan, workers):
        monkeypatch.setattr(module, "read_image_file", read)
    assert world.extract(image_timeout=0.5).rejected == 3
    assert world.rejected() == dict.fromkeys(names, "timeout")
    assert len(asked) == 1 + 3  # one while planning, which ended that, then each by the run
    assert world.extract(image_timeout=0.5).unchanged == 4
    freed.set()


def test_names_of_any_bytes_go_through(tmp_path):
    images = tmp_path / "images"
    odd = [b"\xff.png", b"new\nline.png", b"tab\t.png", b"n" * 251 + b".png", b"caf\xe9/x.png"]
    for number, name in enumerate(odd):
        path = images / os.fsdecode(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(photo(number), "PNG"))
    summary = extract(images, tmp_path / "store", SETTINGS)
    assert summary.decoded == 5
    with Snapshot.open(tmp_path / "store") as snapshot:
        assert snapshot.metadata(["path"])["path"].to_pylist() == sorted(odd)
    assert extract(images, tmp_path / "store", SETTINGS).unchanged == 5


def test_a_list_and_its_store(tmp_path):
    put(tmp_path / "far", "a.png", 1)
    put(tmp_path / "near", "b.png", 2)
    (tmp_path / "near" / "list.txt").write_text("b.png\n../far/a.png\nmissing.png\n")
    summary = extract(tmp_path / "near" / "list.txt", tmp_path / "store", SETTINGS)
    assert (summary.decoded, summary.rejected) == (2, 1)
    assert extract(tmp_path / "near" / "list.txt", tmp_path / "store", SETTINGS).unchanged == 3


def test_what_is_no_file_is_rejected_once(world):
    world.put("a.png", 1)
    os.mkfifo(world.images / "pipe.png")
    (world.images / "loop.png").symlink_to("loop.png")
    world.extract()
    assert world.rejected() == {b"pipe.png": "not_regular_file", b"loop.png": "unreadable"}
    before = world.bytes_on_disk()
    world.extract()
    assert world.bytes_on_disk() == before


def test_a_folder_of_nothing_but_rubbish_is_a_store_of_rejections(world, decoded):
    for number in range(3):
        (world.images / f"{number}.jpg").write_bytes(b"rubbish %d" % number)
    summary = world.extract()
    assert (summary.total_rows, summary.total_rejected) == (0, 3)
    assert world.extract().snapshot == summary.snapshot
    assert world.vectors() == {}
    world.put("good.png", 1)
    assert world.extract().total_rows == 1


def test_vectors_without_a_direction_are_rejected(world, monkeypatch):
    world.put("a.png", 1)
    world.put("b.png", 2)
    world.put("c.png", 2)
    true_encode = Encoder.encode

    def spoil(self, squares):
        found = true_encode(self, squares)
        for vectors in found.values():
            vectors[1:] = np.nan if len(found) == 1 else 0
        return found

    monkeypatch.setattr(Encoder, "encode", spoil)
    world.extract()
    assert world.rejected() == {b"b.png": "non_finite_vector", b"c.png": "non_finite_vector"}
    assert np.isfinite(world.vectors()[b"a.png"]).all()


@pytest.mark.parametrize("shard_rows", [1, 3, 7])
def test_many_partitions_equal_one(filled, tmp_path, shard_rows):
    summary = extract(filled.images, tmp_path / "parts", replace(SETTINGS, shard_rows=shard_rows, batch_size=2))
    assert (summary.total_rows, summary.total_rejected) == (10, 2)
    with Snapshot.open(tmp_path / "parts") as parts, Snapshot.open(filled.store) as whole:
        assert verify(parts).ok
        assert parts.metadata(["path", "sha256"]).equals(whole.metadata(["path", "sha256"]))
        np.testing.assert_allclose(parts.vectors(), whole.vectors(), atol=1e-6)


def test_several_layers_and_pools_are_columns(filled, tmp_path):
    wanted = replace(SETTINGS, layers=("body", "head"), pools=("gap", "avg:2"))
    extract(filled.images, tmp_path / "more", wanted)
    with Snapshot.open(tmp_path / "more") as more, Snapshot.open(filled.store) as one:
        assert [spec.name for spec in more.embeddings] == ["body.gap", "body.avg2", "head.gap", "head.avg2"]
        np.testing.assert_allclose(more.vectors("head.gap"), one.vectors("head.gap"), atol=1e-6)


class Watcher(run.Listener):
    def __init__(self):
        self.seen = []

    def scanned(self, found, work):
        self.seen.append(("scanned", len(found.entries), len(work.pending)))

    def encoder_ready(self, encoder, proofs, on_record):
        self.seen.append(("ready", encoder.specs[0].name))

    def advanced(self, n_done, n_total):
        self.seen.append((n_done, n_total))


def test_progress_only_grows_and_ends_at_all(filled, tmp_path):
    watcher = Watcher()
    extract(filled.images, tmp_path / "watched", replace(SETTINGS, shard_rows=5, batch_size=2), watcher)
    assert watcher.seen[:2] == [("scanned", 12, 12), ("ready", "head.gap")]
    steps = watcher.seen[2:]
    assert {total for _, total in steps} == {12}
    assert [done for done, _ in steps] == sorted(done for done, _ in steps)
    assert steps[-1] == (12, 12)


MISMATCHES = [
    ({"model": "resnet18"}, r"with model tests\.tiny:build \(fingerprint [0-9a-f]{16}\), not resnet18"),
    ({"layers": ("body",)}, "with layers head .*, not body"),
    ({"layers": ("body", "head")}, "with layers head .*, not body, head"),
    ({"pools": ("max",)}, "with pools gap .*, not max"),
    ({"weights": "random:1"}, "with weights random:0 .*, not random:1"),
    ({"weights": "default"}, "with weights random:0 .*, not default"),
    ({"weights": "published:V1"}, "with weights random:0 .*, not published:V1"),
]


@pytest.mark.parametrize(("change", "message"), MISMATCHES, ids=lambda value: str(value)[:30])
def test_other_settings_than_the_stores_are_refused_by_name(filled, change, message):
    before = filled.bytes_on_disk()
    with pytest.raises(MismatchError, match=message):
        extract(filled.images, filled.store, replace(SETTINGS, **change))
    assert filled.bytes_on_disk() == before


def test_what_is_left_out_is_the_stores(filled):
    filled.put("new.png", 70)
    assert extract(filled.images, filled.store, ExtractSettings()).decoded == 1


def test_the_same_weights_file_may_be_named_in_any_way(filled, tmp_path, monkeypatch):
    torch.save(tiny.build().state_dict(), tmp_path / "w.pth")
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "of-file"
    for name in ("w.pth", str(tmp_path / "w.pth"), f"file:{tmp_path / 'w.pth'}"):
        summary = extract(filled.images, made, replace(SETTINGS, weights=name))
        assert summary.snapshot <= 2
    (tmp_path / "copy.pth").write_bytes((tmp_path / "w.pth").read_bytes())
    assert extract(filled.images, made, replace(SETTINGS, weights="copy.pth")).unchanged == 12
    torch.save(tiny.build().state_dict(), tmp_path / "other.pth")
    with pytest.raises(MismatchError, match=r"with weights file:.*w\.pth .*, not file:.*other\.pth"):
        extract(filled.images, made, replace(SETTINGS, weights="other.pth"))
    with pytest.raises(UsageError, match=r"weights 'nowhere\.pth' are not a file"):
        extract(filled.images, made, replace(SETTINGS, weights="nowhere.pth"))


def test_images_of_another_folder_do_not_take_the_place_of_the_stores(filled, tmp_path):
    put(tmp_path / "others", "one.png", 1)
    with pytest.raises(MismatchError, match=r"the store holds 10 images of '.*images', none of which is in '.*others'"):
        extract(tmp_path / "others", filled.store, SETTINGS)
    assert len(filled.ids()) == 10


def test_a_folder_that_moved_is_still_the_same(filled):
    filled.images = filled.images.rename(filled.images.with_name("moved"))
    assert filled.extract().unchanged == 12


def test_an_empty_folder_is_an_error_and_makes_no_store(world):
    (world.images / ".hidden.png").write_bytes(b"")
    with pytest.raises(UsageError, match=r"no files found in '.*images' \(1 hidden names passed over\)"):
        extract(world.images, world.store, SETTINGS)
    assert not world.store.exists()


def test_a_wrong_request_makes_no_store(world):
    world.put("a.png", 1)
    for change in ({"model": "resnet51"}, {"layers": ("nose",)}, {"pools": ("avg:9",)}, {"device": "gpu"}):
        with pytest.raises(UsageError):
            extract(world.images, world.store, replace(SETTINGS, **change))
        assert not world.store.exists()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"pools": ("gap", "gen:3")}, r"pool 'gen:3' is unknown; allowed: gap"),
        ({"model": "resnet51"}, r"model 'resnet51' is unknown; nearest: 'resnet"),
        ({"model": "timm/resnet81"}, r"model 'timm/resnet81' is unknown; nearest: 'timm/resnet"),
    ],
)
def test_a_name_that_does_not_exist_is_refused_before_anything_is_scanned(filled, monkeypatch, wrong, message):
    monkeypatch.setattr(run, "scan", lambda _: pytest.fail("the images were scanned"))
    for store in (filled.store, filled.store.with_name("new")):
        with pytest.raises(UsageError, match=message):
            extract(filled.images, store, replace(SETTINGS, **wrong))


def test_a_folder_with_other_things_in_it_is_not_made_a_store(world):
    world.put("a.png", 1)
    with pytest.raises(UsageError, match="exists and is not a BigNet store"):
        extract(world.images, world.images, SETTINGS)
    assert [item.name for item in world.images.iterdir()] == ["a.png"]


def test_a_run_that_was_cut_off_goes_on_where_it_stopped(world, decoded, monkeypatch):
    for number in range(9):
        world.put(f"{number}.png", number)

    class Stop(run.Listener):
        def advanced(self, n_done, _n_total):
            if n_done > 6:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extract(world.images, world.store, replace(SETTINGS, shard_rows=3, batch_size=1, workers=1), Stop())
    with Snapshot.open(world.store) as snapshot:
        counts = snapshot.manifest.counts
    assert (counts.discovered, counts.embedded, counts.pending) == (9, 6, 3)
    assert not snapshot.manifest.complete
    summary = world.extract()
    assert (summary.unchanged, summary.decoded) == (6, 3)


def test_reasons_are_counted_in_the_summary(filled):
    (filled.images / "third.gif").write_bytes(b"GIF89a")
    summary = filled.extract()
    assert (summary.rejected, summary.total_rejected) == (1, 3)
    assert Counter(filled.rejected().values()).total() == 3


@pytest.mark.parametrize(
    "wrong",
    [{"batch_size": -1}, {"workers": -1}, {"shard_rows": 0}, {"resize_mode": "x"}, {"views": "x"}]
    + [{"size": value} for value in (-1, 0, 15, 6325, 100_000)]
    + [{"image_timeout": value} for value in (0, -1, float("nan"), float("inf"))],
    ids=str,
)
def test_settings_out_of_range_are_refused_in_words_for_keywords_and_options(wrong):
    ((name, value),) = wrong.items()
    words = name.replace("_", " ")
    with pytest.raises(UsageError, match=rf"^{words} (is {value}; it must be|'{value}' is unknown; allowed: )"):
        ExtractSettings(**wrong)


def test_images_that_moved_are_found_again_and_nothing_else_changes(filled, tmp_path):
    before, ids = filled.vectors(), filled.ids()
    filled.images = filled.images.rename(tmp_path / "moved")
    summary = filled.extract()
    assert (summary.decoded, summary.removed) == (0, 0)
    assert filled.ids() == ids
    assert set(filled.vectors()) == set(before)
    with Snapshot.open(filled.store) as snapshot:
        assert snapshot.manifest.complete
        assert snapshot.image_root() == tmp_path / "moved"
