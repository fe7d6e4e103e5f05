"""Each guard taken out in turn: the test that watches it must fail, or it watches nothing.

The product has no switch for this: a guard is patched away here, or in the processes of the command by code that
Python runs when it starts.
"""

import io
import os
import time

import pytest
from PIL import Image, UnidentifiedImageError

import bignet
from bignet import images
from bignet.extractor import workers
from tests import oracle
from tests.faults import corpus, harness, test_crash, test_disk, test_hostile, test_store_calls

SETTINGS = {"model": "tests.tiny:build", "weights": "random:0", "device": "cpu", "shard_rows": 50}
full = pytest.mark.skipif(not harness.FULL, reason="in the full sweep")


@pytest.fixture
def without(tmp_path, monkeypatch):
    """Takes a guard out of every process that the harness starts; what the test itself injects comes on top."""

    def take_out(code):
        env = harness.sabotaged(tmp_path / "without", code)
        true_sabotaged = harness.sabotaged
        monkeypatch.setattr(harness, "ENVIRONMENT", env)
        monkeypatch.setattr(harness, "SECONDS", 60)
        monkeypatch.setattr(harness, "sabotaged", lambda folder, more: true_sabotaged(folder, f"{code}\n{more}"))

    return take_out


def test_without_the_sync_of_files(without, tmp_path):
    without("import os; os.fsync = lambda descriptor: None")
    with pytest.raises(AssertionError, match=r"shards/\.tmp-"):
        test_store_calls.test_every_file_is_synced_before_it_is_named_and_its_folder_after(tmp_path)


def test_without_the_sync_of_folders(without, tmp_path):
    without("from bignet import files; files.sync_folder = lambda folder: None")
    with pytest.raises(AssertionError, match=r"shards/\.tmp-"):
        test_store_calls.test_every_file_is_synced_before_it_is_named_and_its_folder_after(tmp_path)


def test_without_the_digests(photos, golden, complete, without):
    without("""
from bignet.store import shards, verify
verify._check_file = lambda folder, record, expected, tables: tables.append(
    shards.pq.read_table(folder / record.name, columns=[name for name in expected.names if name in ("id", "path")])
) or []
""")
    with pytest.raises(AssertionError, match=r"assert 0 == .*INTEGRITY"):
        test_disk.test_a_rotten_bit_is_named_dropped_and_embedded_anew(photos, golden, complete, "shards")


def test_without_turning_pictures_upright(monkeypatch, tmp_path):
    monkeypatch.setattr(images, "orientation", lambda _: 1)
    with pytest.raises(AssertionError, match=r"0\.99"):
        test_hostile.test_one_photo_turned_nine_ways_is_one_photo(tmp_path)


def test_without_a_net_for_what_decoders_raise(monkeypatch, tmp_path):
    """As most programs do it: two kinds of error are expected, and a thread that meets a third is lost."""

    def load(self, entry, claims):
        data = (self.root / os.fsdecode(entry.path)).read_bytes()
        claims.take(data)
        try:
            Image.open(io.BytesIO(data)).convert("RGB")
        except (UnidentifiedImageError, OSError) as error:
            return workers.Refused(entry, images.Reason.CORRUPT, str(error))
        except Exception:
            time.sleep(1.5)
        return None

    monkeypatch.setattr(workers.Loader, "load", load)
    with pytest.raises(AssertionError, match="timeout"):
        assert_bomb_is_named(tmp_path)


def test_with_a_net_a_bomb_is_named(tmp_path):
    assert_bomb_is_named(tmp_path)


def assert_bomb_is_named(folder):
    (folder / "images").mkdir()
    (folder / "images" / "bomb.gif").write_bytes(corpus.bomb(65535, 65535))
    harness.injected()
    bignet.extract(folder / "images", folder / "store", **SETTINGS, image_timeout=0.6)
    assert oracle.check(folder / "store").rejected == {b"bomb.gif": "too_many_pixels"}


def test_without_claims(photos, monkeypatch, tmp_path):
    def decoded(store):
        return bignet.extract(photos, store, **SETTINGS).summary.decoded

    assert decoded(tmp_path / "with") == 27
    monkeypatch.setattr(workers.Claims, "take", lambda self, sha256: True)
    assert decoded(tmp_path / "without") == 28


@full
def test_without_a_clock_that_stands_still(photos, golden, tmp_path, without):
    without(
        "import time; from bignet.extractor.clock import RunningClock; RunningClock.now = lambda self: time.monotonic()"
    )
    with pytest.raises(AssertionError, match="timeout"):
        test_crash.test_a_run_that_was_suspended_refuses_nothing(photos, golden, tmp_path)


@full
def test_without_the_journal(photos, golden, tmp_path, without):
    without("from bignet.extractor.journal import Journal; Journal.begin = lambda self, slot, path: None")
    with pytest.raises(AssertionError, match=r"assert b.cats/03.png. in \[\]"):
        test_crash.test_a_crash_in_native_code_is_laid_at_its_files_door(photos, golden, tmp_path)


@full
def test_with_a_journal_that_nobody_reads(photos, golden, tmp_path, without):
    without("from bignet.extractor import journal; journal._suspects = lambda store, root: []")
    with pytest.raises(AssertionError, match=r"assert \(-11, .*\) == \(10"):
        test_crash.test_a_crash_in_native_code_is_laid_at_its_files_door(photos, golden, tmp_path)


@full
def test_without_a_time_limit(photos, golden, tmp_path, without):
    without("from bignet.extractor.clock import RunningClock; RunningClock.now = lambda self: 0.0")
    with pytest.raises(AssertionError, match="waited too long"):
        test_crash.test_a_file_that_outlasts_its_time_is_refused(photos, golden, tmp_path)
