"""The manifest: published once, checked whenever it is read."""

import hashlib
import json
import re
import subprocess
import sys

import pytest

from bignet.errors import ExitCode, IntegrityError, UsageError
from bignet.spec import EmbeddingSpec
from bignet.store import layout, manifest
from bignet.store.snapshot import Snapshot
from bignet.store.writer import Batch, writing
from tests import oracle
from tests.store import rows


@pytest.fixture
def two_snapshots(tmp_path):
    """A store cut off after its second commit: both manifests are still there."""
    path = rows.make(tmp_path / "store", n_rows=4, n_shards=1, names=())
    writer_context = writing(path)
    with writer_context as writer:
        writer.commit(Batch(rows=rows.table([4, 5], seed=9)), rows.progress(6))
        kept = {item: item.read_bytes() for item in oracle.manifests(path)}
    for item, data in kept.items():
        item.write_bytes(data)
    return path


def rewrite(path, change):
    """Alter a manifest and give it a checksum that fits."""
    wrapper = json.loads(path.read_bytes())
    change(wrapper["manifest"])
    text = json.dumps(wrapper["manifest"], sort_keys=True, separators=(",", ":"))
    wrapper["sha256"] = hashlib.sha256(text.encode()).hexdigest()
    path.write_text(json.dumps(wrapper))


def test_what_is_published_is_what_is_read(store):
    described = manifest.newest(store)
    assert manifest.load(store, described.number) == described
    assert described.embeddings == rows.SPECS
    assert described.rows == 10
    assert oracle.check(store).number == described.number


def test_a_number_is_published_once(store):
    described = manifest.newest(store)
    before = layout.manifest_path(store, described.number).read_bytes()
    with pytest.raises(FileExistsError):
        manifest.publish(store, described)
    assert layout.manifest_path(store, described.number).read_bytes() == before
    assert oracle.leftovers(store) == []


RACER = """
import dataclasses, pathlib, sys, time
from bignet.store import manifest
store, go = map(pathlib.Path, sys.argv[1:3])
described = manifest.newest(store)
print("ready", flush=True)
while not go.exists():
    pass
for number in range(2, 32):
    while number > 2 and not (store / "manifests" / f"{number - 1:08d}.json").exists():
        pass
    try:
        manifest.publish(store, dataclasses.replace(described, number=number, next_id=int(sys.argv[3])))
    except FileExistsError:
        continue
    print(number, flush=True)
"""


def test_of_racing_publishers_one_wins_each_number(tmp_path):
    path = rows.make(tmp_path / "store", n_shards=1)
    go = tmp_path / "go"
    command = [sys.executable, "-c", RACER, str(path), str(go)]
    racers = [subprocess.Popen([*command, str(100 + number)], stdout=subprocess.PIPE, text=True) for number in range(4)]
    for racer in racers:
        assert racer.stdout.readline() == "ready\n"
    go.touch()
    wins = [racer.communicate(timeout=60)[0].split() for racer in racers]
    assert all(racer.returncode == 0 for racer in racers)
    assert sorted(int(number) for won in wins for number in won) == list(range(2, 32))
    for racer_number, won in enumerate(wins):
        for number in won:
            assert manifest.load(path, int(number)).next_id == 100 + racer_number
    assert oracle.leftovers(path) == [f"manifests/{number:08d}.json" for number in range(1, 31)]


DAMAGE = {
    "zero bytes": lambda data: b"",
    "half": lambda data: data[: len(data) // 2],
    "one byte short": lambda data: data[:-1],
    "zeros": lambda data: bytes(len(data)),
    "garbage": lambda data: b"\xff\x00garbage" * 20,
    "another document": lambda data: b"[1, 2]",
    "no checksum": lambda data: json.dumps({"manifest": json.loads(data)["manifest"]}).encode(),
    "altered": lambda data: re.sub(rb'"next_id": \d+', b'"next_id": 77', data),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_manifest_is_named_with_the_previous_good_one(two_snapshots, damage):
    newest, previous = oracle.manifests(two_snapshots)
    newest.write_bytes(damage(newest.read_bytes()))
    for reading in (manifest.newest, Snapshot.open):
        with pytest.raises(IntegrityError) as caught:
            reading(two_snapshots)
        assert newest.name in str(caught.value)
        assert f"previous good snapshot is {previous.stem}" in str(caught.value)
        assert caught.value.exit_code == ExitCode.INTEGRITY


def test_following_the_advice_returns_to_the_previous_snapshot(two_snapshots):
    newest, previous = oracle.manifests(two_snapshots)
    newest.write_bytes(b"")
    newest.unlink()
    assert oracle.check(two_snapshots).number == int(previous.stem)
    with Snapshot.open(two_snapshots) as snapshot:
        assert len(snapshot.table()) == 4


def test_every_flipped_bit_of_a_manifest_is_found_or_changes_nothing(store):
    path = oracle.manifests(store)[0]
    data = path.read_bytes()
    good = manifest.newest(store)
    n_found = 0
    for bit in range(0, 8 * len(data), 7):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        try:
            assert manifest.newest(store) == good
        except IntegrityError:
            n_found += 1
    assert n_found > 0.9 * len(data) * 8 / 7  # spaces between JSON tokens mean nothing


def test_a_damaged_manifest_with_none_before_says_so(store):
    oracle.manifests(store)[0].write_bytes(b"{")
    with pytest.raises(IntegrityError, match="no earlier snapshot is left"):
        manifest.newest(store)


def test_writing_to_a_store_with_a_damaged_manifest_removes_nothing(two_snapshots):
    oracle.manifests(two_snapshots)[0].write_bytes(b"{")
    before = rows.names_in(two_snapshots)
    with pytest.raises(IntegrityError), writing(two_snapshots):
        pass
    assert rows.names_in(two_snapshots) == before


def test_a_newer_format_is_refused_as_a_matter_of_use(store):
    rewrite(oracle.manifests(store)[0], lambda data: data.update(format_version=3))
    with pytest.raises(UsageError, match=r"store format 3 in .* is newer than this BigNet reads \(2\); upgrade"):
        manifest.newest(store)


def test_another_format_is_not_taken_for_a_store(store):
    rewrite(oracle.manifests(store)[0], lambda data: data.update(format="something-else"))
    with pytest.raises(IntegrityError, match="is not of a BigNet store"):
        manifest.newest(store)


def test_unknown_fields_of_specs_are_passed_over(store):
    def add(data):
        for item in data["embeddings"]:
            item["hue"] = "blue"
            item["encoder"]["shoe_size"] = 43
            item["encoder"]["preprocess"]["mood"] = [1, 2]
        data["new_at_the_top"] = {"a": 1}

    rewrite(oracle.manifests(store)[0], add)
    described = manifest.newest(store)
    assert described.embeddings == rows.SPECS
    assert [spec.fingerprint for spec in described.embeddings] == [spec.fingerprint for spec in rows.SPECS]


def test_unknown_fields_of_every_part_are_passed_over(store):
    def add(data):
        for part in (data["source"], data["counts"], *data["shards"], *data["rejected"]):
            part["of_a_later_version"] = {"a": 1}

    before = manifest.newest(store)
    rewrite(oracle.manifests(store)[0], add)
    assert manifest.newest(store) == before


def test_unknown_fields_of_a_manifest_are_kept_in_the_next(store):
    rewrite(oracle.manifests(store)[0], lambda data: data.update(colour_profiles={"a": ["b"]}))
    with writing(store) as writer:
        after = writer.commit(Batch(rows=rows.table([10], seed=5)), rows.progress(11, 2))
    (newest,) = oracle.manifests(store)
    assert json.loads(newest.read_bytes())["manifest"]["colour_profiles"] == {"a": ["b"]}
    assert manifest.newest(store) == after
    assert oracle.check(store).number == after.number


def test_a_store_of_a_newer_format_is_not_written_to(store):
    rewrite(oracle.manifests(store)[0], lambda data: data.update(format_version=manifest.FORMAT_VERSION + 1))
    before = rows.names_in(store)
    with pytest.raises(UsageError, match="upgrade bignet"), writing(store):
        pass
    assert rows.names_in(store) == before


def test_specs_survive_json():
    for spec in rows.SPECS:
        assert EmbeddingSpec.from_json(json.loads(json.dumps(spec.as_json()))) == spec


def test_a_reader_between_two_snapshots_gets_the_newer_one(store, monkeypatch):
    """The list of manifests was read, then a writer published the next one and removed the listed one."""
    listing = layout.manifest_numbers
    stale = [listing(store)]
    with writing(store) as writer:
        writer.commit(Batch(rows=rows.table([10], seed=5)), rows.progress(11, 2))
    monkeypatch.setattr(layout, "manifest_numbers", lambda path: stale.pop() if stale else listing(path))
    with Snapshot.open(store) as snapshot:
        assert len(snapshot) == 11


def test_other_files_among_the_manifests_do_not_count(store):
    (store / "manifests" / "00000099.json.bak").write_text("{")
    (store / "manifests" / "notes.txt").write_text("mine")
    (store / "manifests" / "123.json").write_text("{")
    assert manifest.newest(store).rows == 10


@pytest.mark.parametrize("there", [False, True])
def test_no_store_says_how_to_make_one(tmp_path, there):
    path = tmp_path / "none"
    if there:
        path.mkdir()
    what = "is not a BigNet store" if there else "does not exist"
    with pytest.raises(UsageError, match=f"{what}.*bignet extract IMAGES"):
        Snapshot.open(path)
