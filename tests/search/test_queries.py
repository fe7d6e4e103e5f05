import os

import numpy as np
import pytest
from PIL import Image

import bignet
from bignet.errors import UsageError
from bignet.search.combine import combined, direction, term
from bignet.search.results import Query
from bignet.search.searcher import Searcher
from tests.cli.conftest import MODEL, draw
from tests.index.stores import make
from tests.search.shelf import shelf, units

NAMES = ("a.jpg", "a.jpg:2", "id:12", "12", "path:b:c.jpg", "odd:name.jpg")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("a.jpg", ("a.jpg", None)),
        ("a.jpg:0.5", ("a.jpg", 0.5)),
        ("a.jpg:-0.5", ("a.jpg", -0.5)),
        ("a.jpg:1e-3", ("a.jpg", 0.001)),
        ("a.jpg:0", ("a.jpg", 0.0)),
        ("a.jpg:2", ("a.jpg:2", None)),  # there is a file of that name
        ("a.jpg:2:3", ("a.jpg:2", 3.0)),
        ("id:12", ("id:12", None)),
        ("id:12:3", ("id:12", 3.0)),
        ("12:-1", ("12", -1.0)),
        ("id:13", ("id:13", None)),
        ("path:b:c.jpg", ("path:b:c.jpg", None)),
        ("path:b:c.jpg:2", ("path:b:c.jpg", 2.0)),
        ("odd:name.jpg", ("odd:name.jpg", None)),
        ("missing.jpg:2", ("missing.jpg:2", None)),
        ("a.jpg:heavy", ("a.jpg:heavy", None)),
        ("a.jpg:", ("a.jpg:", None)),
        (":2", (":2", None)),
    ],
)
def test_a_number_is_a_weight_only_where_the_text_before_it_names_something(text, wanted):
    assert term(text, NAMES.__contains__) == wanted


@pytest.mark.parametrize("weight", ["nan", "inf", "-inf", "1e999"])
def test_a_weight_that_is_not_finite_is_refused(weight):
    with pytest.raises(UsageError, match="finite"):
        term(f"a.jpg:{weight}", NAMES.__contains__)


def test_unit_vectors_are_added_up_with_their_weights():
    vectors = np.random.default_rng(0).standard_normal((3, 16)).astype(np.float32) * [[1], [50], [0.01]]
    weights = [1.0, -0.5, 2.5]
    found = combined(
        [Query(name, vector.astype(np.float32)) for name, vector in zip("abc", vectors, strict=True)], weights
    )
    wanted = np.array(weights) @ units(vectors)
    assert float(units(found.vector) @ units(wanted)) == pytest.approx(1, abs=1e-6)
    assert found.text == "a b:-0.5 c:2.5"


@pytest.mark.parametrize("weights", [(1, -1), (0, 0), (3, -3), (1e300, -1e300)])
def test_queries_that_cancel_each_other_out_are_refused(weights):
    vector = np.random.default_rng(1).standard_normal(16).astype(np.float32)
    with pytest.raises(UsageError, match="cancel each other out"):
        combined([Query("a", vector), Query("b", vector * 7)], weights)


def test_huge_weights_keep_the_direction():
    vectors = np.eye(2, dtype=np.float32)
    np.testing.assert_allclose(direction(vectors, (1e308, -1e308)), [1, -1])


def test_nothing_combines_to_nothing():
    with pytest.raises(UsageError, match="nothing to combine"):
        combined([], [])


@pytest.fixture(scope="module")
def reader(tmp_path_factory):
    return Searcher(shelf(tmp_path_factory.mktemp("queries") / "s")).reader


def test_ids_of_every_kind_name_a_row(reader):
    vectors = [
        reader.read(given).vector for given in (1042, np.int64(1042), "1042", "id:1042", "path:folder 1042/it's.jpg")
    ]
    assert all((vector == vectors[0]).all() for vector in vectors)
    assert reader.read(1042).own_ids == {1042}


def test_a_path_of_stray_bytes_names_its_row(reader):
    assert reader.read(os.fsdecode(b"x\xff/1004.jpg")).own_ids == {1004}


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("nowhere", "neither a file here"),
        (-1, "query '-1' is neither"),
        (999, "ids there: 1000 to 1199"),
        ("id:99999999999999999999999", "is not in"),
        ("path:x", "is not in"),
        (np.array(["a"]), "give numbers"),
        (None, "NoneType"),
        (0.5, "float"),
        (b"a.jpg", "bytes"),
    ],
)
def test_what_names_nothing_is_explained(reader, given, says):
    with pytest.raises(UsageError, match=says):
        reader.read(given)


def test_the_number_of_an_id_is_no_weight_of_a_file_called_id(reader, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("id", "path"):
        draw(tmp_path / "one.png", 1)
        (tmp_path / "one.png").rename(tmp_path / name)
    for text in ("id:7", "path:7"):
        with pytest.raises(UsageError, match="is not in"):
            reader.read_all([text], combine=False)


def test_contents_whose_digests_begin_alike_are_told_apart(tmp_path):
    rows = Searcher(make(tmp_path / "s", ids=range(40))).rows
    for number in range(40):
        assert rows.with_bytes(number.to_bytes(32, "big")).tolist() == [number]
    assert len(rows.with_bytes((40).to_bytes(32, "big"))) == 0


def test_a_list_is_one_query_of_pairs_and_texts(reader):
    rows = [reader.read(row_id).vector for row_id in (1001, 1002, 1003)]
    wanted = units(rows[0]) - 0.5 * units(rows[1]) + 2 * units(rows[2])
    found = reader.read_combined([1001, "id:1002:-0.5", (rows[2], 2)])
    assert float(units(found.vector) @ units(wanted)) == pytest.approx(1, abs=1e-6)
    assert found.own_ids == {1001, 1002}


def test_texts_stay_apart_unless_one_has_a_weight_or_all_are_to_be_combined(reader):
    assert len(reader.read_all(["1001", "1002"], combine=False)) == 2
    assert len(reader.read_all(["1001", "1002"], combine=True)) == 1
    assert len(reader.read_all(["1001", "1002:1"], combine=False)) == 1


def test_a_weight_of_minus_one_finds_the_least_similar(reader):
    store = bignet.open(reader._snapshot.path)
    best, worst = store.search(1001, k=200), store.search(["1001:-1"], k=200)
    assert [hit.id for hit in worst] == [hit.id for hit in best][::-1]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    for number in range(6):
        draw(root / "in" / f"{number}.png", number)
    (root / "in" / "twin.png").write_bytes((root / "in" / "3.png").read_bytes())
    bignet.extract(root / "in", root / "s", model=MODEL, weights="random:0")
    return root


def test_a_file_is_its_own_row_and_a_copy_all_rows_of_its_bytes(pictures, tmp_path):
    reader = Searcher(bignet.open(pictures / "s").snapshot).reader
    rows = {name: reader.read(f"path:{name}").own_ids for name in ("3.png", "twin.png")}
    copy = tmp_path / "copy.png"
    copy.write_bytes((pictures / "in" / "3.png").read_bytes())
    assert reader.read(pictures / "in" / "3.png").own_ids == rows["3.png"]
    assert reader.read(pictures / "in" / "twin.png").own_ids == rows["twin.png"]
    assert reader.read(copy).own_ids == rows["3.png"] | rows["twin.png"]


def test_bytes_that_are_stored_need_no_network(pictures, monkeypatch):
    reader = Searcher(bignet.open(pictures / "s").snapshot).reader
    monkeypatch.setattr("bignet.extractor.encoder.rebuild", lambda *_: pytest.fail("the vector is in the store"))
    assert reader.read(pictures / "in" / "2.png").images == ((pictures / "in" / "2.png").absolute(),)


def test_another_picture_is_embedded_by_the_store_s_own_network(pictures, tmp_path):
    with Image.open(pictures / "in" / "5.png") as picture:
        picture.save(tmp_path / "same.bmp")
    hits = bignet.open(pictures / "s").search(tmp_path / "same.bmp", k=1)
    assert (hits[0].path, round(hits[0].score, 4)) == ("5.png", 1.0)
