"""Files of vectors: what they hold comes out as it went in, and what is no vectors is named and never executed."""

import pickle

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bignet.errors import UsageError
from bignet.importer.vectors import open_vectors


def read(path, column=None, n_rows=3):
    """Every number of a file, by its blocks -> (N, D)."""
    opened = open_vectors(path, column)
    blocks = list(opened.blocks(n_rows))
    assert all(1 <= len(block) <= n_rows for block in blocks)
    whole = np.concatenate(blocks)
    assert whole.shape == (opened.rows, opened.dims)
    return whole


def saved(path, array):
    np.save(path, array)
    return path


def written(path, **columns):
    pq.write_table(pa.table(columns), path)
    return path


VALUES = np.arange(28).reshape(7, 4) / 8 - 1


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8", np.longdouble])
def test_an_npy_file_of_any_float_type_order_and_layout_is_read(tmp_path, dtype, order):
    path = saved(tmp_path / "v.npy", np.array(VALUES, dtype, order=order))
    np.testing.assert_array_equal(read(path), VALUES)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(4),
        np.float32(1),
        np.zeros((2, 3, 4)),
        np.zeros((0, 4)),
        np.zeros((4, 0)),
        np.zeros((3, 4), np.int8),
        np.zeros((3, 4), complex),
        np.zeros((3, 4), bool),
        np.zeros((3, 4), "f4,f4"),
    ],
    ids=["one axis", "a number", "three axes", "no rows", "no dims", "int8", "complex", "bool", "records"],
)
def test_arrays_that_are_no_vectors_are_named(tmp_path, array):
    with pytest.raises(UsageError, match=r"vectors '.*v\.npy' (have shape|are of type)|cannot be read"):
        open_vectors(saved(tmp_path / "v.npy", array))


class Bomb:
    def __reduce__(self):
        return pytest.fail, ("unpickled",)


def test_objects_are_refused_and_not_unpickled(tmp_path):
    np.save(tmp_path / "objects.npy", np.array([[Bomb()]], object), allow_pickle=True)
    (tmp_path / "bare.npy").write_bytes(pickle.dumps(Bomb()))
    for name in ("objects.npy", "bare.npy"):
        with pytest.raises(UsageError, match=r"cannot be read as \.npy \(.*Python objects.*allow_pickle=False"):
            open_vectors(tmp_path / name)


def header(text):
    """An .npy file with that header and a few numbers."""
    return b"\x93NUMPY\x01\x00" + (118).to_bytes(2, "little") + text.encode().ljust(117) + b"\n" + b"\0" * 64


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no array",
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4)}"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (1000, 4)}"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (-1, 4)}"),
        header("{'descr': '<f4', 'fortran_order': False, 'shape': (((((("),
        header("{'descr': '|O', 'fortran_order': False, 'shape': (2, 4)}"),
        header("__import__('os').abort()"),
    ],
    ids=["empty", "words", "endless", "cut short", "negative", "unclosed", "objects", "code"],
)
def test_hostile_npy_files_are_refused_in_one_line(tmp_path, data):
    (tmp_path / "v.npy").write_bytes(data)
    with pytest.raises(UsageError, match=r"v\.npy' cannot be read as \.npy") as caught:
        open_vectors(tmp_path / "v.npy")
    assert "\n" not in str(caught.value)


def test_an_archive_of_arrays_is_refused(tmp_path):
    np.savez(tmp_path / "v.npz", a=VALUES)
    (tmp_path / "v.npz").rename(tmp_path / "v.npy")
    with pytest.raises(UsageError, match="an archive of arrays"):
        open_vectors(tmp_path / "v.npy")


@pytest.mark.parametrize("kind", [pa.float16(), pa.float32(), pa.float64()], ids=str)
@pytest.mark.parametrize(
    "lists", [pa.list_, pa.large_list, lambda kind: pa.list_(kind, 4)], ids=["list", "large", "fixed"]
)
def test_a_parquet_column_of_lists_of_floats_is_found_by_its_type(tmp_path, kind, lists):
    rows = [np.asarray(row, kind.to_pandas_dtype()) for row in VALUES]
    path = written(tmp_path / "v.parquet", id=range(7), emb=pa.array(rows, lists(kind)), tags=[["a"]] * 7, n=[[1]] * 7)
    np.testing.assert_array_equal(read(path), VALUES)


def test_blocks_go_across_row_groups(tmp_path):
    table = pa.table({"layer4.gap": pa.array(VALUES.tolist(), pa.list_(pa.float32(), 4))})
    pq.write_table(table, tmp_path / "v.parquet", row_group_size=2)
    assert [len(block) for block in open_vectors(tmp_path / "v.parquet").blocks(3)] == [3, 3, 1]
    np.testing.assert_array_equal(read(tmp_path / "v.parquet"), VALUES)


@pytest.mark.parametrize("lists", [pa.list_(pa.float32()), pa.list_(pa.float32(), 2)], ids=["list", "fixed"])
def test_a_missing_vector_or_number_is_nan(tmp_path, lists):
    path = written(tmp_path / "v.parquet", v=pa.array([None, [1, 2], [3, None], None, [5, 6]], lists))
    nan = np.nan
    np.testing.assert_array_equal(read(path), [[nan, nan], [1, 2], [3, nan], [nan, nan], [5, 6]])


def test_of_several_columns_of_vectors_one_must_be_named(tmp_path):
    one, two = ([[float(place)] * 2 for place in range(start, start + 3)] for start in (0, 7))
    path = written(tmp_path / "v.parquet", clip=one, dino=two, words=["a"] * 3)
    with pytest.raises(UsageError, match=r"2 columns .*'clip', 'dino'.*--column"):
        open_vectors(path)
    np.testing.assert_array_equal(read(path, "dino"), two)
    with pytest.raises(UsageError, match=r"'words' of .* holds no vectors; .*'clip', 'dino'"):
        open_vectors(path, "words")


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (pa.array([[1.0, 2], [3, 4], [5]]), r"row 2 \(the first is 0\) has 1 numbers, others have 2"),
        (pa.array([[1.0], [], [5]]), r"row 1 \(the first is 0\) has 0 numbers, others have 1"),
        (pa.array([None, None], pa.list_(pa.float32())), "every row is empty"),
        (pa.array([[], []], pa.list_(pa.float32())), "every row is empty"),
        (pa.array([], pa.list_(pa.float32())), "hold no rows"),
        (pa.array([[1], [2]]), r"0 columns of lists of floats \(none\)"),
        (pa.array([1.0, 2.0]), "0 columns of lists of floats"),
    ],
    ids=["unequal", "one empty", "no vector", "all empty", "no rows", "integers", "numbers"],
)
def test_columns_that_are_no_vectors_are_named(tmp_path, values, says):
    path = written(tmp_path / "v.parquet", v=values)
    with pytest.raises(UsageError, match=says):
        read(path)


def test_a_damaged_parquet_file_is_named(tmp_path):
    path = written(tmp_path / "v.parquet", v=pa.array(np.random.default_rng(0).random((900, 8)).tolist()))
    data = path.read_bytes()
    for damaged in (data[:-30], b"", b"PAR1" + data[4:40] + data[400:], data[:4] + b"\xff" * 5000 + data[5004:]):
        path.write_bytes(damaged)
        with pytest.raises(UsageError, match=r"v\.parquet' cannot be read as Parquet|are .* rows"):
            read(path, n_rows=100)


def test_a_footer_that_counts_other_rows_is_found_out(tmp_path):
    opened = open_vectors(written(tmp_path / "v.parquet", v=[[1.0], [2.0], [3.0]]))
    for claimed in (2, 4):
        opened.rows = claimed
        with pytest.raises(UsageError, match=f"are 3 rows, {claimed} in the file's own words"):
            list(opened.blocks(1))


@pytest.mark.parametrize("name", ["missing.npy", "folder", "v.txt", "v.csv"])
def test_what_is_no_file_of_vectors_is_refused_with_what_is(tmp_path, name):
    (tmp_path / "folder").mkdir()
    for text in ("v.txt", "v.csv"):
        (tmp_path / text).write_text("1,2\n")
    with pytest.raises(UsageError, match=r"give an \.npy file of shape \(vectors, dims\) or a \.parquet file"):
        open_vectors(tmp_path / name)


def test_an_npy_file_has_no_columns(tmp_path):
    with pytest.raises(UsageError, match="leave --column out"):
        open_vectors(saved(tmp_path / "v.npy", VALUES), "clip")
