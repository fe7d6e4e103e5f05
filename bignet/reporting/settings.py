"""How large a report may be and what it shows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReportSettings:
    """Settings of one report.

    Attributes:
        strips: query rows on the page.
        neighbours: neighbours in each row, and ranks in ``neighbours.parquet``.
        thumb_px: shorter side of a thumbnail, pixels.
        jpeg_quality: of the thumbnails.
        max_thumbnails: no more pictures than this on the page.
        max_bytes: the page's budget; thumbnails beyond it are left out and counted.
        hard_max_bytes: a larger page is refused.
        pairs: closest pairs of images shown for a cell of the distance matrix.
        pair_thumbnails: pictures that those pairs may add.
        matrix_classes: the distance matrix shows at most this many classes.
        table_classes: the class table lists at most this many classes.
        table_pairs: the confusion table lists at most this many pairs.
        map_pictures: at most about this many pictures are spread over the map.
        listed_rows: up to this many rows the page names them all, so that whole clusters can be exported from it.
        listed_path_bytes: paths of listed rows are left out beyond this length together.
        seed: picks the random rows.
    """

    strips: int = 60
    neighbours: int = 10
    thumb_px: int = 96
    jpeg_quality: int = 70
    max_thumbnails: int = 1500
    max_bytes: int = 15_000_000
    hard_max_bytes: int = 40_000_000
    pairs: int = 5
    pair_thumbnails: int = 400
    matrix_classes: int = 60
    table_classes: int = 2000
    table_pairs: int = 200
    map_pictures: int = 400
    listed_rows: int = 50_000
    listed_path_bytes: int = 2_000_000
    seed: int = 0
