import pytest

from bignet.errors import UsageError
from bignet.reporting.gate import check, parse_conditions
from bignet.reporting.past import Figure

FIGURES = tuple(
    Figure(name, value, None, None, reason)
    for name, value, reason in (
        ("map@r", 0.6, None),
        ("map@10/minRk", 0.7, None),
        ("tar@far=0.01", 0.25, None),
        ("uniformity", -3.5, None),
        ("silhouette", None, "one class"),
    )
)


@pytest.mark.parametrize(
    ("text", "passed"),
    [
        ("map@r>=0.6", True),
        ("map@r>0.6", False),
        ("map@r<=0.6", True),
        ("map@r<.6", False),
        ("map@r==6e-1", True),
        (" map@r  >=  0.59 ", True),
        ("map@10/minRk>0.69", True),
        ("tar@far=0.01>=0.3", False),
        ("tar@far=0.01>=0.2", True),
        ("uniformity<-3", True),
    ],
)
def test_a_condition_holds_or_fails(text, passed):
    (found,) = check(parse_conditions(text), FIGURES)

    assert found.passed is passed
    assert found.reason is None


def test_several_conditions_are_judged_in_their_order():
    found = check(parse_conditions("map@r>=0.60,uniformity>0, tar@far=0.01<1"), FIGURES)

    assert [str(item.condition) for item in found] == ["map@r >= 0.6", "uniformity > 0", "tar@far=0.01 < 1"]
    assert [item.passed for item in found] == [True, False, True]
    assert [item.value for item in found] == [0.6, -3.5, 0.25]


@pytest.mark.parametrize("text", ["silhouette>=-1", "silhouette<=1", "silhouette==0"])
def test_an_undefined_value_fails_whatever_is_asked_and_says_why(text):
    (found,) = check(parse_conditions(text), FIGURES)

    assert (found.passed, found.value, found.reason) == (False, None, "one class")


def test_an_unknown_metric_is_an_error_with_the_nearest_names():
    with pytest.raises(UsageError, match=r"metric 'map@R' is not in the report; nearest: 'map@r'"):
        check(parse_conditions("map@R>=0.1"), FIGURES)


@pytest.mark.parametrize(
    "text", ["", "map@r", "map@r=0.6", "map@r>=", ">=0.6", "map@r>=high", "map@r>=nan", "a>=1,,b>=1"]
)
def test_what_is_no_condition_is_refused_with_an_example(text):
    with pytest.raises(UsageError, match="is no condition; give conditions such as"):
        parse_conditions(text)
