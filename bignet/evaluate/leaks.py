"""What the images asked share with those they are judged by."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bignet.evaluate.records import Records, Values
from bignet.evaluate.result import Metric

if TYPE_CHECKING:
    from bignet.evaluate.subject import Subject

_ID = "leak_rate"


def leak_rate(subject: Subject) -> Metric:
    """Share of the rows asked whose very vector is among those that can be found, in the mode "split".

    Such a copy, of the same file or of the same picture saved again, makes a score say less about new images. Near
    copies count only where their vectors are equal.
    """
    similarity = subject.graph.similarity
    records = Records(subject.settings, Metric(_ID, None, estimator="exact, equal vectors only"))
    if subject.settings.mode != "split":
        return records.undefined(_ID, "there are no two sides without a split (mode split)")
    if not len(similarity):
        return records.undefined(_ID, "no row is asked")
    n = len(similarity)
    copied = Values((similarity[:, 0] == 1.0).astype(np.float64), np.zeros(n, dtype=np.int64), np.ones(n))
    return records.mean(_ID, copied, proportion=True, gallery_size=len(subject.rows) - n)
