"""A machine that is not what was hoped for: no GPU, no shared memory, an output folder that goes away."""

import json
import shlex
import shutil
import time

import pytest

import bignet
from bignet.errors import ExitCode, ResourceError
from bignet.extractor.run import Listener
from tests import oracle
from tests.faults import harness, order

SETTINGS = {"model": "tests.tiny:build", "weights": "random:0", "device": "cpu", "shard_rows": 5}
NO_GPU = harness.ENVIRONMENT | {"CUDA_VISIBLE_DEVICES": ""}


def test_a_gpu_that_is_not_there_is_an_error_before_anything_is_scanned(tmp_path):
    harness.injected()
    nowhere = tmp_path / "images"
    outcome = harness.run(harness.extract_command(nowhere, tmp_path / "store", "--device", "cuda"), NO_GPU)
    assert outcome.code == ExitCode.USAGE
    harness.assert_one_line(outcome, "usage")
    assert "device 'cuda' is not there" in outcome.err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
def test_the_device_that_was_found_is_printed_and_kept(photos, tmp_path):
    harness.injected()
    store = tmp_path / "store"
    command = [item for item in harness.extract_command(photos, store, "--device", "auto") if item != "--json"]
    started = time.monotonic()
    outcome = harness.run(command, NO_GPU)
    assert time.monotonic() - started < 60
    assert outcome.code == ExitCode.SOME_REJECTED
    assert " cpu fp32" in outcome.err
    assert device(store) == "cpu"


def test_the_device_is_in_the_manifest(golden_store):
    assert device(golden_store) == "cpu"


def device(store):
    return json.loads(oracle.manifests(store)[0].read_bytes())["manifest"]["environment"]["device"]


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
def test_a_megabyte_of_shared_memory_is_enough(photos, golden, tmp_path):
    store = tmp_path / "store"
    command = shlex.join(harness.extract_command(photos, store))
    script = f"mount -t tmpfs -o size=1m tmpfs /dev/shm && head -c 2m /dev/zero > /dev/shm/full; exec {command}"
    outcome = harness.run(harness.namespace(script))
    assert "No space left" in outcome.err
    harness.assert_golden(harness.Outcome(outcome.code, outcome.out, ""), store, golden)


class Vandal(Listener):
    """Takes the store away as soon as something is in it."""

    def __init__(self, store):
        self.store = store

    def advanced(self, n_done, n_total):
        if oracle.manifests(self.store):
            gone = self.store.with_suffix(".gone")
            self.store.rename(gone)  # all of it in one moment: a commit may be under way
            shutil.rmtree(gone)


def test_an_output_that_vanishes_ends_the_run_and_is_made_anew(photos, golden, tmp_path):
    store = tmp_path / "store"
    harness.injected()
    with pytest.raises(ResourceError, match="cannot write to store"):
        bignet.extract(photos, store, **SETTINGS, listener=Vandal(store))
    harness.resume(photos, store, golden) if harness.FULL else bignet.extract(photos, store, **SETTINGS)
    oracle.assert_same_content(oracle.check(store), golden)


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
def test_every_file_of_an_extraction_and_of_an_index_is_synced_in_order(photos, tmp_path):
    store = tmp_path / "store"
    made = order.links(tmp_path / "trace", harness.extract_command(photos, store))
    assert sum("/manifests/" in link.final for link in made) == oracle.check(store).number
    made = order.links(tmp_path / "trace2", [*harness.BIGNET, "index", str(store)])
    assert [link.final.rpartition(".")[2] for link in made] == ["faiss", "json"]
