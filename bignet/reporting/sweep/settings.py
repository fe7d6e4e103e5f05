"""How large a sweep's page may be and what it shows."""

from __future__ import annotations

from dataclasses import dataclass, field

from bignet.reporting.settings import ReportSettings


@dataclass(frozen=True)
class SweepPageSettings:
    """Settings of one page.

    Attributes:
        pictures: sizes and numbers of thumbnails, and how large the page may be.
        curves: choices in a figure of invariance.
        compared: choices whose strips are shown at a time.
        table_classes: the table of classes lists at most this many.
        matrix_classes: the distance matrix shows at most this many.
    """

    pictures: ReportSettings = field(default_factory=ReportSettings)
    curves: int = 4
    compared: int = 4
    table_classes: int = 1000
    matrix_classes: int = 60
