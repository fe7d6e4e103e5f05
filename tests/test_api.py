"""The library's face: what ``import bignet`` promises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

import bignet
from bignet.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def images(tmp_path: Path) -> Path:
    root = tmp_path / "photos"
    for number in range(6):
        rng = np.random.default_rng(number)
        path = root / ("a", "b")[number % 2] / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)).resize((60, 60)).save(path)
    return root


def test_every_promised_name_is_there() -> None:
    assert sorted(bignet.__all__) == bignet.__all__
    assert all(getattr(bignet, name) is not None for name in bignet.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = bignet.nonsense


def test_the_verbs_stay_verbs_after_their_parts_were_imported() -> None:
    import bignet.evaluate.evaluate
    import bignet.index.disk

    assert all(callable(getattr(bignet, name)) for name in ("extract", "open", "report", "verify", "build_index"))


def test_extract_open_search_and_report_from_python(images: Path, tmp_path: Path) -> None:
    made = bignet.extract(images, tmp_path / "s", model="tests.tiny:build", weights="random:0", pools=["gap", "avg:2"])
    opened = bignet.open(tmp_path / "s")
    hits = opened.search(images / "a" / "0.jpg", k=3)
    evaluation, written = bignet.report(tmp_path / "s", tmp_path / "r", k=2)

    assert made.summary is not None
    assert (made.summary.decoded, len(opened)) == (6, 6)
    assert [spec.pool for spec in opened.embeddings] == ["gap", "avg:2"]
    assert (hits[0].path, round(hits[0].score, 6)) == ("a/0.jpg", 1.0)
    assert opened.search(hits[0].id, k=1) == hits[:1]
    assert opened.search(opened.vectors()[0], k=1)[0].score == pytest.approx(1.0)
    assert evaluation.metric("p@1").n_queries == 6
    assert written.html.is_file()
    assert bignet.verify(tmp_path / "s").ok


def test_a_store_moved_with_its_images_still_shows_them(images: Path, tmp_path: Path) -> None:
    bignet.extract(images, tmp_path / "s", model="tests.tiny:build", weights="random:0")
    (tmp_path / "elsewhere").mkdir()
    images.rename(tmp_path / "elsewhere" / "photos")
    (tmp_path / "s").rename(tmp_path / "elsewhere" / "s")

    root = bignet.open(tmp_path / "elsewhere" / "s").snapshot.image_root()

    assert (root / "a" / "0.jpg").is_file()


def test_a_closed_store_lets_its_snapshot_go(images: Path, tmp_path: Path) -> None:
    def extract() -> int:
        bignet.extract(images, tmp_path / "s", model="tests.tiny:build", weights="random:0").close()
        return len(list((tmp_path / "s" / "manifests").glob("*.json")))

    assert extract() == 1
    with bignet.open(tmp_path / "s") as opened:
        (images / "a" / "0.jpg").unlink()
        assert extract() == 2
        assert len(opened.vectors()) == 6
    (images / "a" / "2.jpg").unlink()
    assert extract() == 1


def test_a_store_opened_by_a_relative_path_stays_where_it_is(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = bignet.extract(images, "s", model="tests.tiny:build", weights="random:0")
    opened = bignet.open("s")
    monkeypatch.chdir("/")
    assert len(made.vectors()) == len(opened.search("path:a/0.jpg", k=9)) == 6


def test_weights_may_be_given_as_a_path(images: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.pth' are not a file"):
        bignet.extract(images, tmp_path / "s", model="tests.tiny:build", weights=tmp_path / "none.pth")


def test_query_misuse_is_a_clear_error(images: Path, tmp_path: Path) -> None:
    bignet.extract(images, tmp_path / "s", model="tests.tiny:build", weights="random:0")
    opened = bignet.open(tmp_path / "s")

    with pytest.raises(bignet.BigNetError, match="at least 1"):
        opened.search(0, k=0)
    with pytest.raises(bignet.BigNetError, match="shape"):
        opened.search(np.ones(3, np.float32))
    with pytest.raises(bignet.BigNetError, match="not finite"):
        opened.search(np.full(opened.embeddings[0].dims, np.nan, np.float32))
