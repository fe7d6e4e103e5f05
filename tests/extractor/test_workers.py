import threading
import time
from pathlib import Path
from pkgutil import resolve_name

import pytest
import torch

from bignet.extractor import decode
from bignet.extractor.journal import Journal
from bignet.extractor.sources import Entry, scan
from bignet.extractor.workers import Claims, Decoded, DecodePool, Loader, Refused, SameBytes, StageSeconds
from bignet.images import Limits, Reason
from tests.extractor.pictures import encoded, photo, put
from tests.tiny import build


def entries(n):
    return [Entry(f"{number:03d}.png".encode(), 1, 1) for number in range(n)]


def nothing_known(_sha256):
    return False


def outcome(entry):
    return SameBytes(entry, b"0" * 32, 1, 1)


class Fake:
    """A loader that does what a test says."""

    def __init__(self, act):
        self.act = act
        self.started = 0
        self._lock = threading.Lock()

    def load(self, entry, claims):
        with self._lock:
            self.started += 1
        self.act(entry)
        return outcome(entry)


def run(act, n=20, n_workers=3, timeout=30.0, ahead=6):
    with DecodePool(Fake(act), n_workers, timeout) as pool:
        return list(pool.outcomes(entries(n), Claims(nothing_known), ahead))


def loader(root):
    return Loader(Path(root), build.preprocess, Limits(), StageSeconds())


def load_all(root, known=nothing_known, n_workers=3):
    found = scan(root).entries
    with DecodePool(loader(root), n_workers, 30.0) as pool:
        return list(pool.outcomes(found, Claims(known), ahead=8))


def test_outcomes_come_in_the_order_of_the_files():
    delays = {entry.path: 0.02 * (number * 7 % 4) for number, entry in enumerate(entries(20))}
    found = run(lambda entry: time.sleep(delays[entry.path]))
    assert [item.entry for item in found] == entries(20)


@pytest.mark.parametrize("ahead", [1, 4])
def test_no_more_files_are_ahead_than_allowed(ahead):
    fake = Fake(lambda _: None)
    with DecodePool(fake, 3, 30.0) as pool:
        for number, _ in enumerate(pool.outcomes(entries(30), Claims(nothing_known), ahead)):
            time.sleep(0.005)
            assert fake.started <= number + ahead


def test_no_file_at_all_is_no_outcome():
    assert run(lambda _: None, n=0) == []


@pytest.mark.parametrize("n_workers", [1, 3])
def test_a_stuck_file_is_refused_and_the_run_goes_on(n_workers):
    release = threading.Event()
    stuck = {b"002.png", b"003.png", b"007.png"}
    found = run(lambda entry: entry.path in stuck and release.wait(20), n=12, n_workers=n_workers, timeout=0.6)
    release.set()
    refused = [item for item in found if isinstance(item, Refused)]
    assert [item.entry for item in found] == entries(12)
    assert {item.entry.path for item in refused} == stuck
    assert {item.reason for item in refused} == {Reason.TIMEOUT}
    assert "longer than 0.6 s" in refused[0].detail


def test_a_file_that_was_slow_while_nobody_waited_costs_no_thread():
    """The network was busy while the only thread took too long: its outcome counts, and it goes on serving."""
    slow = Fake(lambda entry: entry.path == b"001.png" and time.sleep(0.8))
    found = []
    with DecodePool(slow, 1, timeout=0.5) as pool:
        for item in pool.outcomes(entries(5), Claims(nothing_known), ahead=3):
            found.append(item)
            if len(found) == 1:
                time.sleep(1.2)
    assert [type(item) for item in found] == [SameBytes] * 5


def test_threads_end_with_the_pool():
    before = threading.active_count()
    run(lambda _: None)
    for _ in range(100):
        if threading.active_count() <= before:
            break
        time.sleep(0.02)
    assert threading.active_count() <= before


def test_whatever_a_decoder_raises_is_a_rejection(tmp_path, monkeypatch):
    put(tmp_path, "a.png", 0)

    def fail(*_):
        raise ZeroDivisionError("by\nnought")

    monkeypatch.setattr(decode, "decode", fail)
    (refused,) = load_all(tmp_path)
    assert (refused.reason, refused.detail) == (Reason.CORRUPT, "by nought")


@pytest.mark.parametrize("where", ["read_image_file", "decode.decode"])
def test_a_file_that_memory_ran_out_over_is_looked_at_again(tmp_path, monkeypatch, where):
    put(tmp_path, "a.png", 0)
    put(tmp_path, "b.png", 1)
    calls = iter([True, False])
    name = f"bignet.extractor.workers.{where}"
    true_call = resolve_name(name)

    def fail(*given):
        if next(calls):
            raise MemoryError
        return true_call(*given)

    monkeypatch.setattr(name, fail)
    first, second = load_all(tmp_path, n_workers=1)
    assert (first.reason, first.detail) == (Reason.UNREADABLE, "out of memory")
    assert isinstance(second, Decoded)


def test_a_thread_that_breaks_down_breaks_the_run_at_once(tmp_path, monkeypatch):
    for number in range(9):
        put(tmp_path, f"{number}.png", number)

    def fail(_loader, entry, _claims):
        if entry.path != b"0.png":
            raise ZeroDivisionError
        time.sleep(0.2)  # while all others break down
        return outcome(entry)

    monkeypatch.setattr(Loader, "load", fail)
    with pytest.raises(ZeroDivisionError):
        load_all(tmp_path)


def test_a_decoded_file_says_what_it_was(tmp_path):
    path = put(tmp_path, "a.png", 0, (50, 40))
    (item,) = load_all(tmp_path)
    status = path.stat()
    assert (item.width, item.height, item.n_bytes, item.mtime_ns) == (50, 40, status.st_size, status.st_mtime_ns)
    assert item.square.shape == (1, 3, 32, 32)


def test_a_child_gives_what_a_thread_gives(tmp_path):
    for number in range(2):
        put(tmp_path, f"{number}.png", number)
    (tmp_path / "2.png").write_bytes((tmp_path / "0.png").read_bytes())
    (tmp_path / "3.png").write_bytes(b"no picture")
    found = scan(tmp_path).entries
    here = load_all(tmp_path, n_workers=1)
    with DecodePool(loader(tmp_path), 1, 30.0, Journal(apart=frozenset(found))) as pool:
        there = list(pool.outcomes(found, Claims(nothing_known), 4))
    assert [type(item) for item in there] == [Decoded, Decoded, SameBytes, Refused]
    assert there[2:] == here[2:]
    for ours, theirs in zip(here[:2], there[:2], strict=True):
        assert theirs.square.stride() == ours.square.stride()
        assert torch.equal(theirs.square, ours.square)
        assert theirs.without_pixels() == ours.without_pixels()


def test_identical_bytes_are_decoded_once(tmp_path):
    data = encoded(photo(0), "PNG")
    for number in range(30):
        (tmp_path / f"{number:02d}.png").write_bytes(data)
    kinds = [type(item) for item in load_all(tmp_path, n_workers=4)]
    assert kinds.count(Decoded) == 1
    assert kinds.count(SameBytes) == 29


def test_known_bytes_are_not_decoded(tmp_path):
    put(tmp_path, "a.png", 0)
    (item,) = load_all(tmp_path, known=lambda _: True)
    assert isinstance(item, SameBytes)


def test_each_digest_is_claimed_by_one_thread():
    claims = Claims(lambda sha256: sha256 == b"known")
    taken = []
    threads = [threading.Thread(target=lambda: taken.append(claims.take(b"new"))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken.count(True) == 1
    assert not claims.take(b"known")


def test_time_is_counted_by_stage(tmp_path):
    put(tmp_path, "a.png", 0, (400, 300))
    reader = loader(tmp_path)
    reader.load(scan(tmp_path).entries[0], Claims(nothing_known))
    assert reader.seconds.read > 0
    assert reader.seconds.decode > 0
