"""Too little memory for a batch: it is halved; for a single image: the run ends and says so."""

import shutil

import pytest

import bignet
from bignet.errors import ExitCode
from tests import oracle
from tests.faults import harness


def content(images, store, model, batch_size=8):
    harness.injected()
    bignet.extract(images, store, model=model, weights="random:0", device="cpu", batch_size=batch_size)
    return oracle.check(store)


def assert_same_vectors(found, golden):
    """The model's name is another, so only what was made of the images is compared."""
    assert found.complete
    oracle.assert_same_content(found, golden)


@pytest.mark.parametrize("model", ["small_room", "small_gpu"])
def test_a_batch_too_large_is_halved_until_it_fits(photos, golden, tmp_path, model):
    assert_same_vectors(content(photos, tmp_path / "store", f"tests.faults.greedy:{model}"), golden)


def test_where_no_image_fits_the_run_ends_with_one_line(photos, tmp_path):
    store = tmp_path / "store"
    harness.injected()
    outcome = harness.run(harness.extract_command(photos, store, "--model", "tests.faults.greedy:no_room"))
    assert outcome.code == ExitCode.ENVIRONMENT
    harness.assert_one_line(outcome, "environment")
    assert "memory" in outcome.err


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
def test_a_limit_on_the_process_halves_the_batch(photos, golden, tmp_path):
    """A real refusal: 16 images ask for 16 GB at once, where the whole process may have 8."""
    if shutil.which("prlimit") is None:
        harness.cannot_inject("prlimit is missing")
    store = tmp_path / "store"
    harness.injected()
    command = harness.extract_command(photos, store, "--model", "tests.faults.greedy:hungry", "--shard-rows", "50")
    outcome = harness.run(["prlimit", f"--as={2**33}", *command, "--batch-size", "16"])
    assert (outcome.code, outcome.err) == (10, "")
    assert_same_vectors(oracle.check(store), golden)
