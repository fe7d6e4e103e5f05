import numpy as np
import pytest

from bignet.errors import MismatchError, UsageError
from bignet.evaluate.labels import check_labels, code_labels, join_labels, split_label


@pytest.mark.parametrize(
    ("label", "path"),
    [
        ("dog", ("dog",)),
        ("fashion#shoes#sneakers", ("fashion", "shoes", "sneakers")),
        (r"languages#C\#", ("languages", "C#")),
        (r"\#1", ("#1",)),
        ("Straße#日本#<script>", ("Straße", "日本", "<script>")),
    ],
)
def test_a_label_is_a_path_of_parts(label, path):
    assert split_label(label) == path


@pytest.mark.parametrize("bad", ["", " ", "a##b", "#a", "a#", "a# #b"])
def test_an_empty_part_is_refused_with_the_id_of_its_row(bad):
    with pytest.raises(UsageError, match=r"label of id 42: .* empty part"):
        check_labels([7, 42], ["fine", bad])


@pytest.mark.parametrize("bad", [float("nan"), 1.0, np.float32(3), True, b"dog", ("a",)])
def test_labels_that_are_no_text_are_refused_not_converted(bad):
    with pytest.raises(UsageError, match="label of id 42"):
        check_labels([7, 42], [None, bad])


def test_integers_are_labels_by_their_digits_beyond_what_a_float32_holds():
    labels = check_labels(range(3), [2**24, 2**24 + 1, np.int64(2**62 + 1)])
    assert labels == ["16777216", "16777217", "4611686018427387905"]
    assert code_labels(labels).codes.tolist() == [0, 1, 2]


def test_class_numbers_beyond_float32_stay_as_many_classes():
    coded = code_labels([str(2**24 + i) for i in range(200_000)])
    assert len(coded.names) == len(np.unique(coded.codes)) == 200_000
    assert coded.codes.dtype == np.int64


def test_codes_follow_the_hierarchy_and_unlabelled_rows_are_minus_one():
    coded = code_labels(["b#x", None, "a", "b", "a#z", "a"])
    assert coded.names == ("a", "a#z", "b", "b#x")
    assert coded.codes.tolist() == [3, -1, 0, 2, 1, 0]
    assert coded.sizes.tolist() == [2, 1, 1, 1]
    assert code_labels([]).sizes.tolist() == []


def test_labels_are_joined_by_id_never_by_position():
    joined = join_labels([30, 10, 20, 40], [10, 99, 30, 40], ["ten", "nobody", "thirty", None])
    assert joined.labels == ("thirty", "ten", None, None)
    assert joined.not_in_table == (20,)
    assert joined.not_in_store == (99,)


def test_repeated_ids_are_an_error_on_either_side():
    with pytest.raises(UsageError, match="label table: 1 ids occur more than once, first 5"):
        join_labels([1, 5], [5, 5], ["a", "b"])
    with pytest.raises(UsageError, match="store: 1 ids"):
        join_labels([5, 5], [5], ["a"])
    with pytest.raises(MismatchError, match="2 ids but 1 labels"):
        join_labels([5], [5, 6], ["a"])
