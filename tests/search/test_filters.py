import re

import numpy as np
import pyarrow as pa
import pytest

from bignet.errors import UsageError
from bignet.search import filters
from tests.search.shelf import label_of, path_of, width_of

IDS = range(1000, 1200)


@pytest.mark.parametrize(
    ("where", "wanted"),
    [
        ("label = 'cat' AND width >= 500", lambda i: label_of(i) == "cat" and width_of(i) >= 500),
        ("label = 'owl''s'", lambda i: label_of(i) == "owl's"),
        ("label IS NULL", lambda i: label_of(i) is None),
        ("label <> 'cat'", lambda i: label_of(i) not in ("cat", None)),
        ("NOT (label = 'cat')", lambda i: label_of(i) not in ("cat", None)),
        ("starts_with(label, 'a#')", lambda i: label_of(i) == "a#b"),
        ("LABEL ilike 'D%' or Width < 10", lambda i: label_of(i) == "dog" or width_of(i) < 10),
        ("path LIKE 'folder%it''s.jpg'", lambda i: i % 7 != 3),
        (r"path = 'x\xff/1004.jpg'", lambda i: i == 1004),
        ("id IN (1003, 1009, 5)", lambda i: i in (1003, 1009)),
        ("id IN (SELECT 1199 - 2 * range FROM range(5))", lambda i: i in (1199, 1197, 1195, 1193, 1191)),
        ("width > 10 -- and so on", lambda i: width_of(i) > 10),
        ("true", lambda _: True),
        ("NULL::boolean", lambda _: False),
        ("false", lambda _: False),
        ("id > 1050 AND (SELECT true)", lambda i: i > 1050),
    ],
)
def test_a_condition_selects_the_rows_that_meet_it(snapshot, where, wanted):
    np.testing.assert_array_equal(filters.matching(snapshot, where), [wanted(row_id) for row_id in IDS])


def test_digests_are_hexadecimal(snapshot):
    digest = snapshot.metadata(["sha256"])["sha256"][42].as_py().hex()
    assert np.flatnonzero(filters.matching(snapshot, f"sha256 = '{digest}'")).tolist() == [42]


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("colour = 'red'", 'Referenced column "colour" not found'),
        ("label = 'cat", "unterminated"),
        ("label = ", "syntax error"),
        ("", "selection"),
        ("width", "int32 values, not true or false"),
        ("'cat'", "not true or false"),
        ("count(*) > 1", "GROUP BY|[Aa]ggregate|one value"),
        ("width > 1, true", "single expression"),
        ("true; DROP TABLE rows", "more than one statement|single"),
        ("unnest([1, 2]) = 1", "one value for each row"),
        ("COLUMNS(*) IS NOT NULL", "one value for each row"),
        ("1) OR (1 = 1", "syntax error"),
        ("width = 'wide'", "Could not convert"),
        ("id = ?", "parameter"),
        ("no_such_function(width)", "does not exist"),
    ],
)
def test_what_is_no_condition_is_explained_in_one_line_with_the_columns(snapshot, where, says):
    with pytest.raises(UsageError) as caught:
        filters.matching(snapshot, where)
    text = str(caught.value)
    assert re.search(says, text)
    assert text.startswith(f'--where "{where}" cannot be used: ')
    assert text.endswith("columns: id, path, sha256, bytes, width, height, mtime_ns, label")
    assert "\n" not in text


@pytest.mark.parametrize(
    "where",
    ["id IN (SELECT id FROM rows)", "id = (SELECT max(id) FROM main.images)", "EXISTS (FROM 'labels.csv')"],
)
def test_a_subquery_over_a_table_is_refused_in_words(snapshot, where):
    with pytest.raises(UsageError) as caught:
        filters.matching(snapshot, where)
    why = "it takes a condition on the columns, and no subquery: there is no table or file to select from"
    columns = "columns: id, path, sha256, bytes, width, height, mtime_ns, label"
    assert str(caught.value) == f'--where "{where}" cannot be used: {why}; {columns}'


def test_a_text_that_reads_like_a_subquery_is_none(snapshot):
    with pytest.raises(UsageError, match="colour"):
        filters.matching(snapshot, "label = 'select all from it''s table' AND colour = 1")


def test_a_condition_reaches_no_file_and_no_variable(snapshot, tmp_path):
    secret = tmp_path / "secret.csv"
    secret.write_text("word\nhidden\n")
    variable = {"a": [1]}
    tries = ("(FROM read_text('{0}')) IS NOT NULL", "(SELECT word FROM '{0}') = 'hidden'", "(FROM variable) = 1")
    for condition in tries:
        with pytest.raises(UsageError):
            filters.matching(snapshot, f"id > 0 AND {condition.format(secret)}")
    with pytest.raises(UsageError):
        filters.matching(snapshot, "id > 0 AND getenv('HOME') IS NOT NULL")
    assert variable


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("label", label_of),
        ("width", width_of),
        ("width > 500", lambda i: width_of(i) > 500),
        (
            "split_part(path, '/', 1)",
            lambda i: path_of(i).decode("utf-8", "backslashreplace").split("/", maxsplit=1)[0],
        ),
        ("width / 2.0", lambda i: str(width_of(i) / 2)),
        ("DATE '2020-01-01'", lambda _: "2020-01-01"),
    ],
)
def test_a_grouping_numbers_the_values_of_an_expression(snapshot, expression, value):
    codes, values = filters.grouped(snapshot, expression)
    assert [values[code] for code in codes] == [value(row_id) for row_id in IDS]
    assert len(values) == len({value(row_id) for row_id in IDS})


def test_a_grouping_that_is_none_is_explained(snapshot):
    with pytest.raises(UsageError, match=r'^--group-by "colour" cannot be used: .*columns: id, path'):
        filters.grouped(snapshot, "colour")


class Large:
    """As much of a snapshot as a filter reads."""

    def metadata(self, columns):
        ids = np.random.default_rng(0).permutation(300_000)
        return pa.table({"id": ids, "width": pa.array(ids % 1000, pa.int32())}).select(columns)


@pytest.mark.parametrize("where", ["id IN (SELECT 3 * range FROM range(100000))", "sum(1) OVER (ORDER BY id) % 3 = 1"])
def test_rows_keep_their_order_where_duckdb_changes_it(where):
    ids = Large().metadata(["id"])["id"].to_numpy()
    np.testing.assert_array_equal(filters.matching(Large(), where), ids % 3 == 0)
