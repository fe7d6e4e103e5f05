import json
from types import SimpleNamespace

import numpy as np
import pytest

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.marks import Marks

FINGERPRINT = "ab" * 32
PAIR = {"query": {"id": 0}, "neighbour": {"id": 1}, "mark": "nice"}
UNKNOWN_MARK = json.dumps({"kind": "bignet.marks", "schema_version": 1, "fingerprint": "x", "marks": [PAIR]})


def write_marks(tmp_path, verdicts, **changed):
    pairs = [{"query": {"id": q}, "neighbour": {"id": n}, "mark": mark} for q, n, mark in verdicts]
    record = {
        "schema_version": 1,
        "kind": "bignet.marks",
        "store": "photos.bignet",
        "embedding": "layer4.gap",
        "fingerprint": FINGERPRINT,
        "marks": pairs,
    }
    path = tmp_path / "marks.json"
    path.write_text(json.dumps(record | changed))
    return path


def evaluated(ids, fingerprint=FINGERPRINT, labels=None):
    labels = labels or [None] * len(ids)
    return SimpleNamespace(ids=np.array(ids), gallery_fingerprint=fingerprint, labels=tuple(labels))


def test_the_plausible_share_of_the_mistakes_has_wilsons_interval(tmp_path):
    """The query is a cat, and the last three neighbours are cats too: they are no mistakes, whatever was marked."""
    labels = ["cat", *["dog"] * 13, *["cat"] * 3]
    verdicts = [(0, i, "plausible") for i in range(1, 10)] + [(0, i, "implausible") for i in range(10, 13)]
    verdicts += [(0, 13, "wrong label"), (0, 14, "plausible"), (0, 15, "implausible"), (0, 16, "wrong label")]

    found = Marks.read(write_marks(tmp_path, verdicts)).metric(evaluated(range(17), labels=labels))

    assert found.value == 9 / 12
    assert (found.lo, found.hi) == pytest.approx((0.4677, 0.9111), abs=1e-4)  # 9 of 12, Wilson 1927
    assert found.n_queries == 12
    assert found.params == {"n_marked": 16, "plausible": 9, "implausible": 3, "wrong_label": 1}
    assert found.estimator == "marked by hand, 12 wrong neighbours of 1 queries"


def test_without_labels_every_neighbour_that_was_judged_counts(tmp_path):
    verdicts = [(0, 1, "plausible"), (0, 2, "implausible"), (1, 0, "implausible"), (1, 2, "wrong label")]

    assert Marks.read(write_marks(tmp_path, verdicts)).metric(evaluated(range(3))).value == pytest.approx(1 / 3)


@pytest.mark.parametrize("verdicts", [[], [(0, 1, "wrong label")]])
def test_without_a_verdict_the_share_is_undefined_and_says_why(tmp_path, verdicts):
    found = Marks.read(write_marks(tmp_path, verdicts)).metric(evaluated(range(2)))

    assert (found.value, found.lo, found.reason) == (None, None, "no wrong neighbour is marked")


@pytest.mark.parametrize(
    ("theirs", "ours", "says"),
    [
        ({"embedding": "other"}, {"embedding": "layer4.gap"}, "another embedding: theirs is 'other'"),
        ({"store": "cars.bignet"}, {"store": "photos.bignet"}, "another store"),
        (
            {"store": "cars.bignet", "store_uuid": "1"},
            {"store": "photos.bignet", "store_uuid": "2"},
            r"another store: theirs is 'cars.bignet' \(store uuid 1\), this one's 'photos.bignet' \(store uuid 2\)",
        ),
        (
            {"embedding_fingerprint": "x"},
            {"embedding": "layer4.gap", "embedding_fingerprint": "y"},
            r"another embedding: theirs is 'layer4.gap' \(embedding fingerprint x\), this one's 'layer4.gap' \(",
        ),
    ],
)
def test_marks_of_another_store_or_embedding_are_refused_by_name(tmp_path, theirs, ours, says):
    marks = Marks.read(write_marks(tmp_path, [(0, 1, "plausible")], **theirs))
    with pytest.raises(MismatchError, match=says):
        marks.check_origin(ours)


def test_a_store_that_was_renamed_keeps_its_marks_if_they_know_its_uuid(tmp_path):
    marks = Marks.read(write_marks(tmp_path, [], store_uuid="1"))

    marks.check_origin({"store": "renamed.bignet", "store_uuid": "1", "embedding": "layer4.gap"})


def test_marks_on_other_images_are_refused(tmp_path):
    marks = Marks.read(write_marks(tmp_path, [(0, 1, "plausible")]))

    marks.check_images(evaluated([0, 1, 2]))
    with pytest.raises(MismatchError, match="other images"):
        marks.check_images(evaluated([0, 1, 2], "cd" * 32))
    with pytest.raises(MismatchError, match="other images"):
        marks.check_images(evaluated([0, 2]))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "cannot be read"),
        ("[]", "holds no marks"),
        ('{"kind": "bignet.report"}', "holds no marks"),
        ('{"kind": "bignet.marks", "schema_version": 9}', "schema 9"),
        ('{"kind": "bignet.marks", "schema_version": 1}', "cannot be read"),
        (UNKNOWN_MARK, "hold the mark 'nice'; allowed are plausible"),
    ],
)
def test_files_that_are_no_marks_are_explained(tmp_path, text, says):
    (tmp_path / "m.json").write_text(text)
    with pytest.raises(UsageError, match=says):
        Marks.read(tmp_path / "m.json")


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match=r"no\.json"):
        Marks.read(tmp_path / "no.json")
