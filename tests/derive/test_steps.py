import pytest

from bignet.derive.steps import Step, StepKind, joined, parse_steps
from bignet.errors import UsageError


def test_steps_come_in_the_order_asked_for():
    assert parse_steps("center, pca:256") == (Step(StepKind.CENTER), Step(StepKind.PCA, 256))
    assert parse_steps("whiten:8") == (Step(StepKind.WHITEN, 8, 0.5),)
    assert parse_steps("qe:5:3") == (Step(StepKind.QE, 5, 3.0),)


@pytest.mark.parametrize(
    ("given", "usual"),
    [("power:.5", "power:0.5"), ("whiten:8:.5", "whiten:8"), ("whiten:8:.25", "whiten:8:0.25"), ("l2,l2", "l2,l2")],
)
def test_the_same_steps_have_one_name(given, usual):
    assert joined(parse_steps(given)) == usual
    assert parse_steps(usual) == parse_steps(given)


@pytest.mark.parametrize(
    "wrong",
    [
        "centre", "pca", "pca:0", "pca:1.5", "pca:-3", "pca:3:3", "power", "power:0", "power:2", "l2:1", "center:1",
        "whiten:3:0", "whiten:3:.6", "qe:5", "qe:5:nan", "qe:5:1e3", "pca:", "pca:٣", "pca:9999999999", ",", "l2,",
    ],
)  # fmt: skip
def test_what_is_no_step_is_refused_with_what_is(wrong):
    with pytest.raises(UsageError, match="allowed: center, power:P"):
        parse_steps(wrong)


@pytest.mark.parametrize("wrong", ["", "  "])
def test_no_steps_are_refused(wrong):
    with pytest.raises(UsageError, match="no steps"):
        parse_steps(wrong)


@pytest.mark.parametrize("wrong", ["qe:5:3,dba:5:3", "dba:5:3,pca:2", "qe:5:3,qe:5:3", "qe:5:3,l2"])
def test_mixing_with_neighbours_comes_last(wrong):
    with pytest.raises(UsageError, match="after all other steps, dba before qe"):
        parse_steps(wrong)
