"""Ids, paths and labels beside the vectors, in every form they may come in."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bignet.errors import UsageError
from bignet.importer.columns import as_ids, as_labels, as_paths, read_column

AS = {"id": as_ids, "path": as_paths, "label": as_labels}


def values(file, name):
    return AS[name](read_column(file, name)).to_pylist()


def text(tmp_path, data):
    (tmp_path / "lines.txt").write_bytes(data)
    return tmp_path / "lines.txt"


def npy(tmp_path, array):
    np.save(tmp_path / "array.npy", np.array(array))
    return tmp_path / "array.npy"


def parquet(tmp_path, name, array):
    pq.write_table(pa.table({"other": range(len(array)), name: array}), tmp_path / "table.parquet")
    return tmp_path / "table.parquet"


def csv(tmp_path, data):
    (tmp_path / "table.csv").write_bytes(data)
    return tmp_path / "table.csv"


def test_ids_are_read_from_every_kind_of_file(tmp_path):
    wanted = [7, 0, 1834567890123456789, 9223372036854775807]
    digits = [str(number) for number in wanted]
    for file in (
        text(tmp_path, "\n".join(digits).encode()),
        npy(tmp_path, np.array(wanted, ">i8")),
        parquet(tmp_path, "id", pa.array(wanted, pa.uint64())),
        csv(tmp_path, "\n".join(["word,id", *(f"a,{item}" for item in digits)]).encode()),
    ):
        assert values(file, "id") == wanted
    assert values(npy(tmp_path, digits), "id") == wanted
    assert values(parquet(tmp_path, "id", ["000012", "5"]), "id") == [12, 5]


def test_paths_may_hold_any_byte_but_nul(tmp_path):
    wanted = [b"caf\xc3\xa9.jpg", b"b\xff\xfe.jpg", b"folder/with space.png"]
    for file in (
        text(tmp_path, b"\xef\xbb\xbf" + b"\r\n".join(wanted) + b"\r\n"),
        text(tmp_path, b"\0".join(wanted)),
        npy(tmp_path, wanted),
        parquet(tmp_path, "path", pa.array(wanted, pa.binary())),
        csv(tmp_path, b"path,label\n" + b"".join(item + b",x\n" for item in wanted)),
    ):
        assert values(file, "path") == wanted
    assert values(text(tmp_path, b"two\nlines\0one\0"), "path") == [b"two\nlines", b"one"]
    assert values(csv(tmp_path, b'path\n"two\nlines"\n'), "path") == [b"two\nlines"]
    assert values(parquet(tmp_path, "path", pa.array(["a", "b"]).dictionary_encode()), "path") == [b"a", b"b"]
    assert values(npy(tmp_path, ["é", "b"]), "path") == ["é".encode(), b"b"]


def test_an_empty_label_is_none_and_a_number_is_its_digits(tmp_path):
    assert values(text(tmp_path, b"cat\n\nanimal#dog\n"), "label") == ["cat", None, "animal#dog"]
    assert values(csv(tmp_path, b"label,id\ncat,1\n,2\n"), "label") == ["cat", None]
    assert values(csv(tmp_path, b"label\nNA\n12\nnull\n"), "label") == ["NA", "12", "null"]
    assert values(npy(tmp_path, [3, 1]), "label") == ["3", "1"]
    assert values(parquet(tmp_path, "label", pa.array(["a", None, "a"]).dictionary_encode()), "label") == [
        "a",
        None,
        "a",
    ]
    assert values(parquet(tmp_path, "label", pa.nulls(2)), "label") == [None, None]


def test_whole_numbers_name_the_same_classes_with_or_without_a_point_whatever_the_file(tmp_path):
    for file in (
        text(tmp_path, b"10.0\n2.0\n"),
        npy(tmp_path, [10.0, 2.0]),
        npy(tmp_path, np.array([10, 2], ">f4")),
        parquet(tmp_path, "label", pa.array([10.0, 2.0])),
        csv(tmp_path, b"label\n10.0\n2\n"),
    ):
        assert values(file, "label") == ["10", "2"]
    assert values(parquet(tmp_path, "label", pa.array([1e15, None])), "label") == ["1000000000000000", None]
    assert values(text(tmp_path, b"1.0\nv2.0\n"), "label") == ["1.0", "v2.0"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"4\nx\n", r"row 1 \(the first is 0\): 'x' is no id"),
        (b"4\n\n5\n", "row 1 .*: '' is no id"),
        (b"4\n-5\n", "row 1 .*: '-5' is no id"),
        (b"4\n5.0\n", "row 1 .*: '5.0' is no id"),
        (b"9999999999999999999\n", r"row 0 .* is no id; allowed: whole numbers from 0 to 2\^63 - 1"),
        (b"1" * 30, "row 0 .* is no id"),
        (b"3\n4\n3\n5\n4\n", "has 2 values more than once: '3', '4'; each row needs its own"),
        (b"\n".join(b"%d" % (number // 2) for number in range(20)), "has 10 values more than once: .*, ...;"),
    ],
)
def test_ids_that_cannot_be_used_are_named(tmp_path, data, says):
    with pytest.raises(UsageError, match=says) as caught:
        values(text(tmp_path, data), "id")
    assert "lines.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (pa.array([1, None]), "row 1 .*: nothing is no id"),
        (pa.array([1, -1]), "row 1 .*: '-1' is no id"),
        (pa.array([1, 2**63], pa.uint64()), "row 1 .* is no id"),
        (pa.array([1.0, 2.0]), "holds double; ids are whole numbers"),
        (pa.array([b"\xff"]), r"'\\xff' is no id"),
    ],
)
def test_a_column_of_ids_that_cannot_be_used_is_explained(tmp_path, array, says):
    with pytest.raises(UsageError, match=says):
        values(parquet(tmp_path, "id", array), "id")


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (pa.array(["a", None]), "row 1 .*: nothing is no path"),
        (pa.array(["a", ""]), "row 1 .*: '' is no path"),
        (pa.array(["a", "b\0c"]), "row 1 .* is no path"),
        (pa.array([b"a\xff", b"b", b"a\xff"]), r"has 1 value more than once: 'a\\xff'"),
        (pa.array([1, 2]), "holds int64; paths are text or bytes"),
    ],
)
def test_paths_that_cannot_be_used_are_named(tmp_path, array, says):
    with pytest.raises(UsageError, match=says):
        values(parquet(tmp_path, "path", array), "path")


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (pa.array(["a", "C#"]), r"'C#' has an empty part; .* \\#"),
        (pa.array([b"\xff"]), "no UTF-8"),
        (pa.array([1.5, None]), "has the label 1.5 among numbers: .* such as 'v1.5'"),
        (pa.array([1.0, float("nan")]), "has the label nan among numbers"),
        (pa.array(["1.0", "1.5"]), "has the label 1.5 among numbers"),
        (pa.array([True]), "holds bool"),
    ],
)
def test_labels_that_cannot_be_used_are_named(tmp_path, array, says):
    with pytest.raises(UsageError, match=says):
        values(parquet(tmp_path, "label", array), "label")


def test_a_file_without_the_column_lists_those_it_has(tmp_path):
    for file in (parquet(tmp_path, "image", ["a"]), csv(tmp_path, b"other,image\n1,a\n")):
        with pytest.raises(UsageError, match="must have one column 'path'; found: 'other', 'image'"):
            values(file, "path")


@pytest.mark.parametrize("array", [[[1, 2]], 3, [1.5], [True]], ids=["two axes", "a number", "floats", "bools"])
def test_an_array_that_is_no_column_is_named(tmp_path, array):
    with pytest.raises(UsageError, match="allowed: one row of integers or text"):
        values(npy(tmp_path, array), "id")


def test_an_array_of_objects_is_refused_with_what_makes_it_plain(tmp_path):
    np.save(tmp_path / "a.npy", np.array(["cat", "owl"], dtype=object), allow_pickle=True)
    with pytest.raises(UsageError, match=r"holds Python objects; ARRAY.astype\(str\) or"):
        values(tmp_path / "a.npy", "label")


def test_files_that_are_broken_are_named(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"PAR1 no more")
    np.save(tmp_path / "a.npy", np.array([object()]), allow_pickle=True)
    for file in (csv(tmp_path, b"a,path\n1\n2,3,4\n"), csv(tmp_path, b""), tmp_path / "a.parquet", tmp_path / "a.npy"):
        with pytest.raises(UsageError, match="cannot be read"):
            values(file, "path")
    with pytest.raises(UsageError, match="cannot be read"):
        values(npy(tmp_path, ["a\udcff"]), "path")
