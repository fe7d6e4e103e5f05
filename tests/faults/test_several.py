"""Several models behind one decoder: killed or crashed, every store keeps what was committed and gets the rest."""

import signal
import sys
import time

import pytest

import bignet
from bignet.extractor import journal
from tests import oracle, tiny
from tests.faults import harness
from tests.faults.test_crash import BAD, NATIVE_CRASH

SCRIPT = """
import sys
from bignet.extractor.settings import ExtractSettings, Tap
from bignet.extractor.several import ModelRequest, extract_several
images, folder, *models = sys.argv[1:]
taps = (Tap("body", "gap"), Tap("head", "gap"), Tap("head", "max"))
requests = [ModelRequest(model, "random:0", taps) for model in models]
settings = ExtractSettings(device="cpu", workers=2, batch_size=4, shard_rows=5)
for item in extract_several(images, folder, requests, settings):
    print(item.summary.decoded)
"""
STORES = ("stores/tests.tiny-build.bignet", "stores/tests.faults.test_several-wide.bignet")


def wide():
    return tiny.build()


wide.preprocess = tiny.build.preprocess.sized(40)


def command(images, folder, n_models=2):
    models = ("tests.tiny:build", "tests.faults.test_several:wide")
    return [sys.executable, "-c", SCRIPT, str(images), str(folder), *models[:n_models]]


@pytest.fixture(scope="module")
def whole(photos, tmp_path_factory):
    """What an undisturbed run makes: both stores' content."""
    folder = tmp_path_factory.mktemp("whole")
    outcome = harness.run(command(photos, folder))
    assert (outcome.code, outcome.out) == (0, "27\n27\n"), outcome
    return [oracle.check(folder / store) for store in STORES]


def resumed(photos, folder, whole):
    """The same command goes on: what was committed keeps its ids, only what a store lacks is embedded for it."""
    before = [harness.committed(folder / store) for store in STORES]
    outcome = harness.run(command(photos, folder))
    assert outcome.code == 0, outcome
    decoded = [int(line) for line in outcome.out.split()]
    for store, content, old, number in zip(STORES, whole, before, decoded, strict=True):
        found = oracle.check(folder / store)
        assert found.complete
        oracle.assert_same_content(found, content)
        assert number == len(content.digests - old.digests)
        assert found.ids.items() >= old.ids.items()
        assert oracle.leftovers(folder / store) == []
        assert bignet.verify(folder / store).findings == ()
    assert journal.in_flight(folder / "stores") == []


@pytest.mark.parametrize("when", range(1, 30) if harness.FULL else [9])
def test_killed_at_a_system_call(photos, whole, tmp_path, when):
    outcome = harness.run([*harness.inject("link", "signal=KILL", when), *command(photos, tmp_path / "sweep")])
    if outcome.code == 0:
        assert harness.FULL, "the fault was never injected"
        harness.injected(-1)
        return
    assert outcome.code in (-signal.SIGKILL, 128 + signal.SIGKILL)
    resumed(photos, tmp_path / "sweep", whole)


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
@pytest.mark.parametrize("seconds", [0.3 * step for step in range(1, 21)])
def test_killed_at_a_moment(photos, whole, tmp_path, seconds):
    with harness.start(command(photos, tmp_path / "sweep")) as process:
        time.sleep(seconds)
        harness.stop(process.pid)
    resumed(photos, tmp_path / "sweep", whole)


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
def test_killed_with_one_store_ahead_of_the_other(photos, whole, tmp_path):
    """One store was complete before the other model was asked for."""
    folder = tmp_path / "sweep"
    assert harness.run(command(photos, folder, n_models=1)).out == "27\n"
    outcome = harness.run([*harness.inject("link", "signal=KILL", 3), *command(photos, folder)])
    assert outcome.code in (-signal.SIGKILL, 128 + signal.SIGKILL)
    resumed(photos, folder, whole)


def test_a_crash_in_native_code_is_laid_at_its_files_door_in_every_store(photos, whole, tmp_path):
    folder = tmp_path / "sweep"
    env = harness.sabotaged(tmp_path / "code", NATIVE_CRASH)
    outcome = harness.run(command(photos, folder), env)
    assert outcome.code in (-signal.SIGSEGV, 128 + signal.SIGSEGV), outcome
    assert BAD in journal.in_flight(folder / "stores")
    outcome = harness.run(command(photos, folder), env)
    assert outcome.code == 0, outcome
    for store, content in zip(STORES, whole, strict=True):
        found = oracle.check(folder / store)
        assert found.complete
        assert found.rejected == content.rejected | {BAD: "worker_crash"}
        assert found.rows.keys() == content.rows.keys() - {BAD}
