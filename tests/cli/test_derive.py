"""``bignet derive``: what it prints, what it exits with, and what others say of a derived store."""

import json

import numpy as np
import pytest

import bignet
from bignet.store.writer import Batch, Progress, writing

RNG = np.random.default_rng(0)


@pytest.fixture
def parent(tmp_path):
    labels = [f"class {number % 3}" for number in range(60)]
    vectors = RNG.standard_normal((60, 12)) + RNG.standard_normal((3, 12))[np.arange(60) % 3] + 0.5
    np.save(tmp_path / "v.npy", vectors)
    (tmp_path / "labels.txt").write_text("\n".join(labels) + "\n")
    bignet.import_vectors(tmp_path / "v.npy", tmp_path / "p.bignet", labels=tmp_path / "labels.txt", name="clip")
    return tmp_path / "p.bignet"


def test_it_says_what_it_made_and_what_that_did(bignet_command, parent, tmp_path):
    done = bignet_command("derive", parent, tmp_path / "d", "--steps", "center,pca:4")
    assert done.code == 0
    lines = done.out.splitlines()
    assert lines[0].startswith("60 derived as 'clip.center.pca4' in ")
    assert "12 dims before, 4 now, float32, fingerprint " in lines[1]
    assert lines[2].startswith("MAP@R by class: 0.")
    assert lines[2].endswith(" (60 queries, each against all others, exact)")
    assert lines[3].startswith(f"next: bignet search {tmp_path}/d id:")


def test_the_same_as_json(bignet_command, parent, tmp_path):
    found = json.loads(bignet_command("derive", parent, tmp_path / "d", "--steps", "dba:3:1", "--json").out)
    assert (found["done"], found["rows"], found["embedding"]["derived"]["steps"]) == (True, 60, "dba:3:1")
    assert found["parent"]["embedding"] == "clip"
    assert found["judgement"]["mode"] == "split"
    assert found["judgement"]["lo"] <= found["judgement"]["value"] <= found["judgement"]["hi"]
    assert found["judgement"]["verdict"] in ("better", "worse", "no difference shown")
    again = json.loads(bignet_command("derive", parent, tmp_path / "d", "--steps", "dba:3:1", "--json").out)
    assert not again["done"]
    assert again["judgement"] == found["judgement"]


def test_without_labels_it_says_how_much_stays(bignet_command, tmp_path):
    np.save(tmp_path / "v.npy", RNG.standard_normal((30, 6)))
    bignet.import_vectors(tmp_path / "v.npy", tmp_path / "p")
    done = bignet_command("derive", tmp_path / "p", tmp_path / "d", "--steps", "whiten:4:.25")
    assert "of the ten nearest stay 0." in done.out
    assert "no labels, so nothing says which are right" in done.out


def test_labels_may_come_from_a_file(bignet_command, parent, tmp_path):
    rows = "".join(f"{number},{number % 2}\n" for number in range(60))
    (tmp_path / "labels.csv").write_text("id,label\n" + rows)
    words = ("derive", parent, tmp_path / "d", "--steps", "center", "--json")
    own = json.loads(bignet_command(*words).out)["judgement"]
    given = json.loads(bignet_command(*words, "--labels", tmp_path / "labels.csv").out)["judgement"]
    assert given["before"] != own["before"]


@pytest.mark.parametrize(
    ("steps", "says"),
    [
        ("centre", "step 'centre' is unknown; allowed: center, power:P"),
        ("pca:13", "the 60 rows of 12 numbers spread in 12; allowed: pca:1 to pca:12"),
        ("qe:5:3,center", "after all other steps"),
    ],
)
def test_steps_that_cannot_be_are_an_error_of_one_line_and_leave_nothing(bignet_command, parent, tmp_path, steps, says):
    done = bignet_command("derive", parent, tmp_path / "d", "--steps", steps)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "d").exists()


def test_info_names_steps_and_parent_and_when_that_has_moved_on(bignet_command, parent, tmp_path):
    bignet.derive_store(parent, tmp_path / "d", "center")
    said = bignet_command("info", tmp_path / "d").out
    assert "steps     center, done to queries too" in said
    assert "snapshot 1 of" in said
    assert "as it is now" in said
    with writing(parent) as writer:
        writer.commit(Batch(drop_ids=[7]), Progress(59, complete=True))
    said = bignet_command("info", tmp_path / "d").out
    assert "which is at 2 now (59 rows); next: bignet derive" in said
    refused = bignet_command("derive", parent, tmp_path / "d", "--steps", "center")
    assert refused.code == 2
    assert "--update" in refused.err
    updated = bignet_command("derive", parent, tmp_path / "d", "--steps", "center", "--update")
    assert "59 brought up to date as 'clip.center'" in updated.out
    parent.rename(tmp_path / "elsewhere")
    assert "not there now" in bignet_command("info", tmp_path / "d").out
    assert json.loads(bignet_command("info", tmp_path / "d", "--json").out)["parent"]["number"] == 2


def test_a_derived_store_that_moved_with_its_parent_finds_it(bignet_command, parent, tmp_path):
    (tmp_path / "both").mkdir()
    parent.rename(tmp_path / "both" / "p.bignet")
    bignet.derive_store(tmp_path / "both" / "p.bignet", tmp_path / "both" / "d", "center")
    (tmp_path / "both").rename(tmp_path / "moved")
    assert "as it is now" in bignet_command("info", tmp_path / "moved" / "d").out
