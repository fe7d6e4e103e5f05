"""What a talk on choosing embeddings said of its networks: windows of average pooling, dims, what they leave out."""

from __future__ import annotations

import pytest

from bignet.extractor import backbones, costs, encoder, pools
from bignet.extractor.settings import Form

MAPS = [
    ("alexnet", "features", (256, 6, 6)),
    ("resnet34", "layer4", (512, 7, 7)),
    ("squeezenet1_1", "features", (512, 13, 13)),
]
DIMS_AND_COVERAGE = {
    "alexnet": {"avg:3": (1024, 1.0), "avg:4": (256, 0.44), "avg:5": (256, 0.69)},
    "resnet34": {"avg:3": (2048, 0.73), "avg:4": (512, 0.33), "avg:5": (512, 0.51)},
    "squeezenet1_1": {"avg:3": (8192, 0.85), "avg:4": (4608, 0.85), "avg:5": (2048, 0.59)},
}


@pytest.mark.parametrize(("model", "layer", "shape"), MAPS)
def test_dims_and_coverage_are_the_talks(model: str, layer: str, shape: tuple[int, ...]) -> None:
    row = next(row for row in costs.outline(backbones.find(model), 224).layers if row.name == layer)

    assert row.shape == shape
    for name, wanted in DIMS_AND_COVERAGE[model].items():
        pool = pools.find(name)
        assert (row.dims(pool), round(pools.coverage(pool, *row.shape[1:]), 2)) == wanted


def test_a_network_that_embeds_has_the_same() -> None:
    wanted = DIMS_AND_COVERAGE["squeezenet1_1"]

    drawn = encoder.draw("squeezenet1_1", "random:0", ["features"], list(wanted), Form())

    assert {head.spec.pool: (head.spec.dims, round(head.coverage, 2)) for head in drawn.heads} == wanted


def test_other_windows_leave_nothing_out() -> None:
    for pool in ("avgc:3", "avgc:4", "avgc:5", "grid:2", "gap"):
        assert [pools.coverage(pools.find(pool), side, side) for side in (6, 7, 13)] == [1.0] * 3
