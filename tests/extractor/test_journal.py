import json
import os
import time
from pathlib import Path

import pytest

from bignet.extractor import journal
from bignet.extractor.journal import SLOT_BYTES, Journal
from bignet.extractor.sources import entry_of
from bignet.extractor.workers import Claims, DecodePool, Loader, Refused, SameBytes, StageSeconds
from bignet.images import Limits, Reason
from bignet.store import layout
from tests.tiny import build

HARMLESS = None
DEADLY = (Reason.WORKER_CRASH, "it died")


class Trials:
    """Says of each file what a test wants, and remembers which it was asked about."""

    def __init__(self, verdicts):
        self.verdicts = verdicts
        self.asked = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        return None

    def __call__(self, _loader, _seconds):
        return self

    def verdict(self, path):
        self.asked.append(path)
        return self.verdicts.get(path, HARMLESS)


@pytest.fixture
def trials(monkeypatch):
    fake = Trials({})
    monkeypatch.setattr(journal, "Trials", fake)
    return fake


def loader(root):
    return Loader(Path(root), build.preprocess, Limits(), StageSeconds())


def kept(folder):
    return journal.keep(folder, loader(folder), 1.0)


def crash(folder, *paths):
    """A run that dies with these files in work -> what it refused."""
    run = kept(folder)
    opened = run.__enter__()
    for slot, path in enumerate(paths):
        opened.begin(slot, path)
    data = (folder / layout.JOURNAL).read_bytes()
    suspects = folder / layout.SUSPECTS
    before = suspects.read_bytes() if suspects.exists() else None
    run.__exit__(None, None, None)  # this process lives on: what it would have left is put back
    (folder / layout.JOURNAL).write_bytes(data)
    if before is not None:
        suspects.write_bytes(before)
    return set(opened.refused)


def entry(folder, path):
    return entry_of(os.path.join(os.fsencode(folder), path), path)


NAMES = [b"a.jpg", b"\xff\xfe\n\t.jpg", b"-rf \xe2\x80\xae.png", b"d/" * 2047 + b"x"]


def test_what_is_in_work_is_read_back_byte_for_byte(tmp_path, trials):
    crash(tmp_path, *NAMES)
    assert len(NAMES[-1]) == SLOT_BYTES - 1
    assert journal.in_flight(tmp_path) == sorted(NAMES)


def test_a_path_no_kernel_opens_disturbs_no_other(tmp_path, trials):
    with kept(tmp_path) as opened:
        opened.begin(0, b"x" * 9000)
        opened.begin(1, b"a.jpg")
        assert b"a.jpg" in journal.in_flight(tmp_path)


def test_a_short_path_after_a_long_one_is_itself(tmp_path, trials):
    with kept(tmp_path) as opened:
        opened.begin(0, b"long/path/of/a/picture.jpg")
        opened.begin(0, b"b.jpg")
        assert journal.in_flight(tmp_path) == [b"b.jpg"]
        opened.end(0)
        assert journal.in_flight(tmp_path) == []


@pytest.mark.parametrize("error", [None, RuntimeError, KeyboardInterrupt])
def test_nothing_is_left_when_a_run_ends(tmp_path, trials, error):
    crash(tmp_path, b"a.jpg")

    def run():
        with kept(tmp_path) as opened:
            opened.begin(0, b"b.jpg")
            if error is not None:
                raise error

    if error is None:
        run()
    else:
        with pytest.raises(error):
            run()
    assert list(tmp_path.iterdir()) == []


def test_a_thread_left_behind_writes_nowhere(tmp_path, trials):
    with kept(tmp_path) as opened:
        pass
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)  # likely the same number as the journal's
    opened.begin(0, b"late.jpg")
    assert os.fstat(other).st_size == 0
    os.close(other)


def test_a_file_that_kills_alone_is_refused_and_the_rest_is_not(tmp_path, trials):
    trials.verdicts[b"bad.jpg"] = DEADLY
    crash(tmp_path, b"bad.jpg", b"good.jpg")
    with kept(tmp_path) as opened:
        assert opened.refused == {entry(tmp_path, b"bad.jpg"): DEADLY}
    assert sorted(trials.asked) == [b"bad.jpg", b"good.jpg"]


def test_what_was_found_out_is_known_after_the_next_crash_too(tmp_path, trials):
    """Two deadly files in one shard: a run that forgot the first would die of it again for ever."""
    trials.verdicts = {b"a.jpg": DEADLY, b"b.jpg": DEADLY}
    crash(tmp_path, b"a.jpg")
    assert crash(tmp_path, b"b.jpg") == {entry(tmp_path, b"a.jpg")}
    with kept(tmp_path) as opened:
        assert set(opened.refused) == {entry(tmp_path, b"a.jpg"), entry(tmp_path, b"b.jpg")}
    assert trials.asked == [b"a.jpg", b"b.jpg"]


def test_a_file_that_was_mended_is_tried_again(tmp_path, trials):
    trials.verdicts[b"a.jpg"] = DEADLY
    crash(tmp_path, b"a.jpg")
    crash(tmp_path)
    (tmp_path / "a.jpg").write_bytes(b"mended")
    with kept(tmp_path) as opened:
        assert entry(tmp_path, b"a.jpg") not in opened.refused


def test_a_file_that_is_harmless_alone_and_in_work_at_every_death_is_left_to_a_child(tmp_path, trials):
    assert [crash(tmp_path, b"a.jpg") for _ in range(3)] == [set()] * 3
    for _ in range(2):
        assert crash(tmp_path) == set()
    with kept(tmp_path) as opened:
        assert (opened.apart, opened.refused) == ({entry(tmp_path, b"a.jpg")}, {})
    assert trials.asked == [b"a.jpg"] * 2
    with kept(tmp_path) as opened:  # that run came to an end
        assert (opened.apart, opened.refused) == (set(), {})


@pytest.mark.parametrize("data", [b"", b"{", b"[{}]", b'["x"]', b'[{"entry": ["zz", 1, 1]}]', b"\xff"])
def test_damaged_notes_are_no_notes(tmp_path, trials, data):
    (tmp_path / layout.SUSPECTS).write_bytes(data)
    with kept(tmp_path) as opened:
        assert opened.refused == {}


def test_notes_are_plain_json(tmp_path, trials):
    crash(tmp_path, b"\xff.jpg")
    crash(tmp_path)
    (record,) = json.loads((tmp_path / layout.SUSPECTS).read_bytes())
    assert record["entry"] == [b"\xff.jpg".hex(), -1, -1]


def test_a_refused_file_is_handed_to_no_thread(tmp_path):
    bad = entry(tmp_path, b"bad.jpg")
    good = entry(tmp_path, b"good.jpg")
    loaded = []

    class Fake:
        def load(self, item, _claims):
            loaded.append(item)
            return SameBytes(item, b"0" * 32, 1, 1)

    with DecodePool(Fake(), 1, 5.0, Journal({bad: DEADLY})) as pool:
        found = list(pool.outcomes([bad, good], Claims(lambda _: False), 4))
    assert found == [Refused(bad, *DEADLY), SameBytes(good, b"0" * 32, 1, 1)]
    assert loaded == [good]


def test_it_costs_microseconds_an_image(tmp_path, trials):
    n, path = 5000, b"folder/of/pictures/0001.jpg"
    best = 1.0
    with kept(tmp_path) as opened:
        for _ in range(5):
            start = time.perf_counter()
            for _ in range(n):
                opened.begin(0, path)
                opened.end(0)
            best = min(best, (time.perf_counter() - start) / n)
    assert best < 20e-6


def test_pools_that_share_a_journal_share_no_slot(tmp_path, trials):
    with kept(tmp_path) as opened:
        assert [opened.slot() for _ in range(3)] == [0, 1, 2]
