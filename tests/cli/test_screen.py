"""What is said of a faster way that was tried."""

import pytest

from bignet.cli.screen import _doubt
from bignet.extractor.calibrate import Closeness
from bignet.extractor.prove import Proof

CLOSE, FAR = Closeness(0.9999, 0.9999, 1.0, 0.99), Closeness(0.9, 0.9, 0.5, 0.4)


@pytest.mark.parametrize(
    ("proof", "words"),
    [
        (Proof("bf16", CLOSE, 160, used=False, speedup=1.04), ", but only 1.04 times as fast as without: not used"),
        (Proof("bf16", FAR, 160, used=False), ", below 0.999 and 98.0%: not used"),
        (Proof("fast", FAR, 160, used=True), ", below 0.999 and 98.0%: used because it was asked for"),
        (Proof("fast", FAR, 0, used=False), "fast could not be tried: no image of the sample can be decoded"),
    ],
)
def test_a_faster_way_that_fails_is_told_with_its_reason(proof, words):
    assert _doubt(proof).startswith(f"note: {proof.way}")
    assert _doubt(proof).endswith(words)
