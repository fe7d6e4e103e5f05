import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bignet.errors import UsageError
from bignet.evaluate.label_file import plain_values, read_label_table

IDS = np.array([30, 10, 20], dtype=np.int64)
PATHS = [b"c/3.jpg", b"a/1.jpg", b"b\xff/2.jpg"]


def table_of(tmp_path, text, name="labels.csv"):
    (tmp_path / name).write_text(text)
    return read_label_table(tmp_path / name, IDS, PATHS)


def test_labels_groups_and_split_are_joined_by_id_in_store_order(tmp_path):
    found = table_of(tmp_path, "id,label,group,split\n20,two,g2,query\n10,one,g1,gallery\n30,three,,\n")

    assert found.labels == ("three", "one", "two")
    assert found.groups == (None, "g1", "g2")
    assert found.split == (None, "gallery", "query")
    assert found.warnings == ()


def test_rows_in_another_order_are_joined_to_the_same(tmp_path):
    lines = ["20,two,g2", "10,one,g1", "30,three,g3"]
    tables = [table_of(tmp_path, "\n".join(["id,label,group", *order])) for order in (lines, lines[::-1])]

    assert tables[0] == tables[1]


def test_paths_join_too_whatever_bytes_they_hold(tmp_path):
    column = pa.array([b"b\xff/2.jpg", b"elsewhere.jpg"], pa.binary())
    pq.write_table(pa.table({"path": column, "label": ["two", "x"]}), tmp_path / "l.parquet")

    found = read_label_table(tmp_path / "l.parquet", IDS, PATHS)

    assert found.labels == (None, None, "two")
    assert found.groups is found.split is None
    assert found.not_in_file == (30, 10)
    assert found.not_in_store == ("elsewhere.jpg",)


def test_what_is_on_one_side_only_is_counted_and_named(tmp_path):
    found = table_of(tmp_path, "id,label\n10,one\n99,x\n98,\n97,x\n96,x\n95,x\n94,x\n")

    assert found.warnings == (
        "2 images of the store are not in labels.csv: 30, 20",
        "6 lines of labels.csv about nothing in the store: 99, 98, 97, 96, 95 and 1 more",
    )


def test_an_empty_field_means_none_and_digits_stay_text(tmp_path):
    found = table_of(tmp_path, "id,label,group\n10,,007\n20,1,1.50\n30,2,\n")

    assert found.labels == ("2", None, "1")
    assert found.groups == (None, "007", "1.50")


@pytest.mark.parametrize("fields", [("1.0", "", "2.0"), ("1", "", "2"), ("1.000", "", "2")])
def test_whole_numbers_name_the_same_classes_with_or_without_a_point_in_either_format(tmp_path, fields):
    numbers = [float(field) if field else None for field in fields]
    pq.write_table(pa.table({"id": [10, 20, 30], "label": numbers}), tmp_path / "l.parquet")
    found = table_of(tmp_path, "id,label\n10,{}\n20,{}\n30,{}\n".format(*fields))

    assert found.labels == ("2", "1", None)
    assert read_label_table(tmp_path / "l.parquet", IDS, PATHS).labels == found.labels


@pytest.mark.parametrize("fields", [("1.0", "v2.0"), ("1.0", "02"), ("-", "1.0"), ("1.0", "1.0.1")])
def test_text_with_a_point_stays_text(tmp_path, fields):
    found = table_of(tmp_path, "id,label\n10,{}\n20,{}\n".format(*fields))

    assert found.labels == (None, *fields)


@pytest.mark.parametrize("number", [1.5, float("nan"), float("inf")])
def test_numbers_that_are_not_whole_name_no_class(tmp_path, number):
    pq.write_table(pa.table({"id": [10, 20], "label": [1.0, number]}), tmp_path / "l.parquet")

    with pytest.raises(UsageError, match=f"l.parquet' has the label {number}"):
        read_label_table(tmp_path / "l.parquet", IDS, PATHS)


def test_groups_alone_leave_the_labels_to_the_store(tmp_path):
    found = table_of(tmp_path, "id,group\n10,a\n20,a\n30,b\n")

    assert found.labels is None
    assert found.groups == ("b", "a", "a")


def test_a_column_with_nothing_in_it_gives_no_groups_but_does_take_labels_away(tmp_path):
    found = table_of(tmp_path, "id,label,group,split\n10,,,\n20,,,\n30,,,\n")

    assert (found.groups, found.split) == (None, None)
    assert found.labels == (None, None, None)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("id,name\n10,x\n", "columns id, name"),
        ("label,group\nx,y\n", "columns label, group"),
        ("id,label\n99,x\n", "none of the store's 3"),
        ("id,label\n10,x\n10,y\n", "labels.csv' has the id '10' more than once"),
        ("path,label\nz.jpg,x\nz.jpg,y\n", "labels.csv' has the path 'z.jpg' more than once"),
        ("id,label\n10,1.0\n20,1.5\n", "labels.csv' has the label 1.5 among numbers: a label names a class"),
        ("id,label\n1.5,x\n", "not whole numbers"),
        ("id,label\n10,a##b\n", "label of id 10"),
        ("", "cannot be read"),
    ],
)
def test_files_that_do_not_fit_are_explained(tmp_path, text, says):
    with pytest.raises(UsageError, match=says):
        table_of(tmp_path, text)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(UsageError, match="is not a file"):
        read_label_table(tmp_path / "no.csv", IDS, PATHS)


def test_a_column_is_read_with_one_object_for_each_value_however_long_it_is():
    given = [None if place % 7 == 0 else f"class {place % 3}" for place in range(10_000)]
    found = plain_values(pa.chunked_array([given[:100], given[100:]]))
    assert found == given
    assert len({id(value) for value in found}) == 4
    assert plain_values(pa.chunked_array([], pa.string())) == []
