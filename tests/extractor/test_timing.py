"""Rates are measured as a run works, and within the time they are given."""

import itertools
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from bignet.errors import UsageError
from bignet.extractor import encoder, machine, timing
from bignet.extractor.rate import Rate
from bignet.extractor.settings import Form
from bignet.images import Reason, RejectedImage
from tests.extractor.pictures import put

LAYERS = ["stem", "body", "head"]
CPU = torch.device("cpu")


def drawn(form=None, pools=("gap", "max")):
    return encoder.draw("tests.tiny:build", "random:0", LAYERS, pools, form or Form())


def test_a_pass_longer_than_the_time_is_measured_once(monkeypatch):
    """By a clock on which everything takes a hundredth of a second, however busy the machine."""
    ticks = itertools.count()
    monkeypatch.setattr(timing, "time", SimpleNamespace(perf_counter=lambda: 0.01 * next(ticks)))
    built = drawn().encoder(CPU)
    assert len(timing.forward_rate(built, seconds=0.0).rate.measured) == 1
    assert len(timing.forward_rate(built, seconds=0.3).rate.measured) > 1


def test_a_slower_network_has_a_lower_rate():
    class Slow:
        def __init__(self, inner, seconds):
            self._inner, self._seconds = inner, seconds

        def __getattr__(self, name):
            return getattr(self._inner, name)

        def encode(self, squares):
            time.sleep(self._seconds)
            return self._inner.encode(squares)

    built = drawn().encoder(CPU)
    streams = machine.streams_for(CPU, machine.available_cores()).number
    rate = timing.forward_rate(Slow(built, 0.1), seconds=0.0)
    assert rate.images_s < streams * rate.batch / 0.1


def test_threads_of_torch_are_what_they_were():
    before = torch.get_num_threads()
    timing.forward_rate(drawn().encoder(CPU), seconds=0.0)
    assert torch.get_num_threads() == before


def test_memory_held_for_a_moment_is_seen():
    with timing.PeakMemory(CPU) as small:
        pass
    with timing.PeakMemory(CPU) as large:
        block = np.ones(48 << 20, dtype=np.uint8)
        time.sleep(0.05)
        del block
    assert large.n_bytes - small.n_bytes > 40 << 20


def test_decoding_is_measured_from_the_files(tmp_path):
    pre = drawn().preprocess
    paths = [put(tmp_path, f"{seed}.png", seed) for seed in range(3)]
    (tmp_path / "none.png").write_text("no picture")

    assert timing.decode_rate([*paths, tmp_path / "none.png"], pre, 2, seconds=0.1).low > 10
    large = put(tmp_path, "large.png", 0, size=(1500, 1200))
    slow, quick = timing.decode_rate([large], pre, 1, seconds=0.1), timing.decode_rate(paths, pre, 1, seconds=0.1)
    assert slow.value < quick.value
    assert len(quick.measured) == 8
    with pytest.raises(UsageError, match="no files"):
        timing.decode_rate([], pre)


def test_threads_take_each_number_once_and_go_on_after_a_rejected_image():
    seen, names = [], set()

    def work(number):
        seen.append(number)
        names.add(threading.get_ident())
        time.sleep(0.001)
        if number % 2:
            raise RejectedImage(Reason.CORRUPT, "odd")

    rate = timing.repeated(work, 3, 0.1)

    assert sorted(seen) == list(range(len(seen)))
    assert len(names) == 3
    assert rate <= len(seen) / 0.1


def test_each_thread_finishes_one_however_short_the_time():
    assert timing.repeated(lambda _: None, 3, 0.0) > 0


def test_a_rate_lies_between_the_ends_that_its_measurements_allow():
    assert (Rate((5.0,)).low, Rate((5.0,)).high) == (5.0, 5.0)
    few = Rate((3.0, 1.0, 9.0, 4.0, 2.0))
    assert (few.low, few.value, few.high) == (1.0, 3.0, 9.0)
    several = few + Rate((5.0, 6.0, 7.0))
    assert (several.low, several.value, several.high) == (2.0, 4.5, 7.0)


@pytest.mark.parametrize("n", [5, 8, 11, 20])
def test_the_median_is_between_the_ends_in_nine_cases_of_ten(n):
    rng = np.random.default_rng(n)
    drawn = [Rate(tuple(rng.lognormal(size=n))) for _ in range(2000)]
    assert np.mean([rate.low <= 1.0 <= rate.high for rate in drawn]) > 0.88


def test_on_shared_cores_times_add_up_and_beside_a_gpu_the_slower_one_counts():
    assert timing.end_to_end(100.0, 50.0, on_gpu=False) == pytest.approx(100 / 3)
    assert timing.end_to_end(100.0, 50.0, on_gpu=True) == 50.0
