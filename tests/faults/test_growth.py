"""Ten times the images take ten times the time, and no more memory and no more open files."""

import json
import struct
import sys

import pytest

from tests import oracle
from tests.faults import harness

SIZES = (2000, 20_000) if harness.FULL else (200, 1000)
# Of what the network sees: the pictures by which the sizes differ are twice as much as may be kept of them.
SIDE = 64 if harness.FULL else 224
MOST_MORE = 50 * 2**20
RUN = """
import json, os, re, sys, time
import bignet
from bignet.extractor.run import Listener

class Watch(Listener):
    times, files = [], []
    def advanced(self, n_done, n_total):
        self.times.append((n_done, time.monotonic()))
        self.files.append(len(os.listdir("/proc/self/fd")))

bignet.extract(sys.argv[1], sys.argv[2], model="tests.tiny:build", weights="random:0", device="cpu", workers=2,
               size=int(sys.argv[3]),
               listener=Watch())
peak = int(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1]) * 1024
print(json.dumps({"peak": peak, "times": Watch.times, "files": Watch.files}))
"""


def draw(folder, n):
    """Bitmaps of 32 x 32 pixels, each with bytes of its own."""
    header = struct.pack("<2sIHHI", b"BM", 54 + 3072, 0, 0, 54) + struct.pack(
        "<IiiHHIIiiII", 40, 32, 32, 1, 24, *[0] * 6
    )
    for number in range(n):
        place = folder / f"{number // 1000:03}"
        place.mkdir(parents=True, exist_ok=True)
        noise = number.to_bytes(4, "big") * 768
        (place / f"{number:06}.bmp").write_bytes(header + noise)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """What runs over the two sizes measured."""
    found = []
    for n in SIZES:
        folder = tmp_path_factory.mktemp("growth")
        draw(folder / "images", n)
        outcome = harness.run([sys.executable, "-c", RUN, str(folder / "images"), str(folder / "store"), str(SIDE)])
        assert outcome.code == 0, outcome.err
        assert len(oracle.check(folder / "store").rows) == n
        harness.injected()
        found.append(json.loads(outcome.out))
    return found


def test_memory_does_not_grow_with_the_number_of_images(runs):
    few, many = (run["peak"] for run in runs)
    sys.stderr.write(f"peak memory: {few / 2**20:.0f} MB for {SIZES[0]:,}, {many / 2**20:.0f} MB for {SIZES[1]:,}\n")
    assert many <= few + MOST_MORE


def test_open_files_do_not_grow(runs):
    for run in runs:
        assert max(run["files"][1:]) - min(run["files"][1:]) <= 4


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
def test_the_last_images_take_no_longer_than_the_first(runs):
    times = runs[-1]["times"]
    start, first, before, last = (seconds_at(times, SIZES[1] * share) for share in (0.01, 0.11, 0.89, 0.99))
    sys.stderr.write(f"tenths: first {first - start:.2f} s, last {last - before:.2f} s\n")
    assert (last - before) <= 1.2 * (first - start)


def seconds_at(times, n_done):
    return next(seconds for done, seconds in times if done >= n_done)
