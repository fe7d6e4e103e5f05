"""The newest manifest torn: it is named, the one before is offered, and no store ever looks empty."""

import shutil

import pytest

import bignet
from bignet.errors import IntegrityError
from bignet.store.snapshot import Snapshot
from tests import oracle
from tests.faults import harness

SETTINGS = {"model": "tests.tiny:build", "weights": "random:0", "device": "cpu", "shard_rows": 5}
DAMAGES = {
    "emptied": lambda _: b"",
    "halved": lambda data: data[: len(data) // 2],
    "garbage": lambda data: bytes(len(data)),
    "another": lambda data: data.replace(b'"complete": ', b'"complete":  ', 1).replace(b'"rows": ', b'"rows": 1', 1),
}


def tear(store, damage):
    manifest = oracle.manifests(store)[0]
    manifest.write_bytes(DAMAGES[damage](manifest.read_bytes()))
    harness.injected()
    return manifest


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_torn_manifest_is_named_by_whoever_reads_the_store(photos, complete, damage):
    manifest = tear(complete, damage)
    for read in (bignet.verify, Snapshot.open, lambda store: bignet.extract(photos, store, **SETTINGS)):
        with pytest.raises(IntegrityError, match=manifest.name):
            read(complete)


def test_a_torn_manifest_is_one_line_and_exit_3(photos, complete):
    manifest = tear(complete, "halved")
    for command in ([*harness.BIGNET, "verify", str(complete)], harness.extract_command(photos, complete)):
        outcome = harness.run(command)
        assert outcome.code == IntegrityError.exit_code
        harness.assert_one_line(outcome, "integrity")
        assert manifest.name in outcome.err


def test_the_way_back_to_the_snapshot_before_is_said_and_works(images, complete, tmp_path):
    """As a power cut may leave it while a run is under way, here held open by a reader."""
    with Snapshot.open(complete):
        (images / "cats" / "00.jpg").unlink()
        bignet.extract(images, complete, **SETTINGS)
    newest, previous = oracle.manifests(complete)
    tear(complete, "halved")
    with pytest.raises(IntegrityError) as refusal:
        bignet.verify(complete)
    said = str(refusal.value)
    assert f"the previous good snapshot is {previous.stem}; delete the damaged file to return to it" in said
    newest.unlink()
    assert bignet.verify(complete).ok
    fresh = tmp_path / "fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    for store in (complete, fresh):
        bignet.extract(images, store, **SETTINGS)
    oracle.assert_same_content(oracle.check(complete), oracle.check(fresh))
