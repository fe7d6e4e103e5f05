import time
from dataclasses import replace

import numpy as np
import pytest

from bignet.errors import LockedError, MismatchError, UsageError
from bignet.extractor import decode
from bignet.extractor.run import extract
from bignet.extractor.settings import ExtractSettings, Tap
from bignet.extractor.several import ModelRequest, extract_several, store_name
from bignet.spec import Preprocess
from bignet.store import layout, lock
from tests import oracle, tiny
from tests.extractor.pictures import encoded, photo, put

HERE = "tests.extractor.test_several"
SETTINGS = ExtractSettings(weights="random:0", workers=2, batch_size=2, precision="fp32", shard_rows=3)
TAPS = (Tap("body", "gap"), Tap("head", "gap"), Tap("head", "max"))


def twin():
    return tiny.build()


def other():
    return tiny.build()


twin.preprocess = tiny.build.preprocess
other.preprocess = Preprocess(44, 40, "bicubic", (0.4, 0.4, 0.4), (0.3, 0.3, 0.3))
FIRST, SECOND, THIRD = (
    ModelRequest(f"{name}", "random:0", TAPS) for name in ("tests.tiny:build", f"{HERE}:other", f"{HERE}:twin")
)
ALL = (FIRST, SECOND, THIRD)


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    for number in range(9):
        put(folder, f"{'abc'[number % 3]}/{number}.png", number)
    (folder / "twin.png").write_bytes((folder / "a/0.png").read_bytes())
    (folder / "broken.jpg").write_bytes(encoded(photo(1))[:200])
    return folder


@pytest.fixture
def decoded(monkeypatch):
    """What is given to the decoder, with the number of preprocessings it is for."""
    calls = []
    true_decode = decode.decode_all

    def noted(data, wanted, limits):
        calls.append(len(wanted))
        return true_decode(data, wanted, limits)

    monkeypatch.setattr(decode, "decode_all", noted)
    return calls


def run(images, folder, requests=ALL, **changes):
    return extract_several(images, folder, requests, replace(SETTINGS, **changes))


def plain(images, store, request, **changes):
    own = replace(SETTINGS, model=request.model, weights=request.weights, taps=request.taps, **changes)
    return extract(images, store, own)


def state(folder):
    files = (item for item in sorted(folder.rglob("*")) if item.is_file())
    return {str(item): (item.read_bytes(), item.stat().st_mtime_ns) for item in files if item.name != layout.LOCK}


def test_every_store_is_as_a_plain_extraction_makes_it(images, tmp_path):
    found = run(images, tmp_path / "sweep")
    assert [item.path for item in found] == [tmp_path / "sweep" / store_name(each.model) for each in ALL]
    for item, request in zip(found, ALL, strict=True):
        summary = plain(images, tmp_path / item.model, request)
        assert (item.summary.decoded, item.summary.copied, item.summary.rejected) == (9, 1, 1)
        assert (summary.decoded, summary.copied, summary.rejected) == (9, 1, 1)
        ours, theirs = oracle.check(item.path), oracle.check(tmp_path / item.model)
        assert ours.complete
        assert ours.ids == theirs.ids
        oracle.assert_same_content(ours, theirs)
        assert oracle.leftovers(item.path) == []


def test_a_file_is_decoded_once_and_resized_once_for_each_preprocessing(images, tmp_path, decoded):
    run(images, tmp_path / "sweep")
    assert decoded == [2] * 10  # nine pictures and the broken one, for two preprocessings of three models


def test_the_same_again_decodes_and_writes_nothing(images, tmp_path, decoded, monkeypatch):
    run(images, tmp_path / "sweep")
    before = state(tmp_path / "sweep")
    decoded.clear()
    for module in ("plan", "workers", "shared"):
        monkeypatch.setattr(f"bignet.extractor.{module}.read_image_file", None)
    found = run(images, tmp_path / "sweep")
    assert [item.summary.decoded for item in found] == [0, 0, 0]
    assert decoded == []
    assert state(tmp_path / "sweep") == before


def test_stores_that_are_ahead_get_nothing_they_have(images, tmp_path, decoded):
    first = tmp_path / "sweep" / store_name(FIRST.model)
    plain(images, first, FIRST, limit=6)
    plain(images, tmp_path / "sweep" / store_name(THIRD.model), THIRD)
    before = oracle.check(first).ids
    found = run(images, tmp_path / "sweep")
    assert [item.summary.decoded for item in found] == [3, 9, 0]
    assert sorted(decoded) == [1] * 6 + [2] * 4
    for item in found:
        content = oracle.check(item.path)
        assert (len(content.rows), content.complete) == (10, True)
    assert oracle.check(first).ids.items() >= before.items()


def test_bytes_that_one_store_has_and_another_lacks_reach_the_one_that_lacks_them(images, tmp_path):
    """A twin of a stored picture is a copy in one store, and is decoded for the other, wherever it is met first."""
    plain(images, tmp_path / "sweep" / store_name(FIRST.model), FIRST)
    put(images, "z.png", 4)
    put(images, "0.png", 5)
    found = run(images, tmp_path / "sweep", requests=(FIRST, SECOND), shard_rows=1)
    assert [(item.summary.decoded, item.summary.copied) for item in found] == [(0, 2), (9, 3)]
    for item, request in zip(found, (FIRST, SECOND), strict=True):
        plain(images, tmp_path / item.model, request)
        oracle.assert_same_content(oracle.check(item.path), oracle.check(tmp_path / item.model))


def test_a_limit_takes_files_from_all_over_and_drops_nothing_that_is_stored(images, tmp_path):
    found = run(images, tmp_path / "sweep", limit=4)
    assert [(item.summary.decoded, item.summary.left) for item in found] == [(4, 0)] * 3
    paths = oracle.check(found[0].path).rows.keys()
    assert paths == {b"a/0.png", b"a/6.png", b"b/7.png", b"c/5.png"}
    assert {item.summary.decoded for item in run(images, tmp_path / "sweep", limit=4)} == {0}
    for limit, decoded in ((0, 5), (4, 0)):
        found = run(images, tmp_path / "sweep", limit=limit)
        assert {item.summary.decoded for item in found} == {decoded}
        assert all(len(oracle.check(item.path).rows) == 10 for item in found)


def test_a_file_that_takes_too_long_is_refused_by_all_and_the_run_goes_on(images, tmp_path, monkeypatch):
    slow = (images / "b/1.png").read_bytes()
    true_decode = decode.decode_all

    def decode_slowly(data, *rest):
        if data == slow:
            time.sleep(2.5)
        return true_decode(data, *rest)

    monkeypatch.setattr(decode, "decode_all", decode_slowly)
    found = run(images, tmp_path / "sweep", image_timeout=1.0)
    for item in found:
        assert oracle.check(item.path).rejected == {b"b/1.png": "timeout", b"broken.jpg": "truncated"}


def test_whatever_a_decoder_raises_is_a_rejection_in_every_store(images, tmp_path, monkeypatch):
    true_decode, bad = decode.squares, iter([ZeroDivisionError("by\nnought")])

    def fail(picture, preprocess, *rest):
        if preprocess.mode == "crop" and (error := next(bad, None)):
            raise error
        return true_decode(picture, preprocess, *rest)

    monkeypatch.setattr(decode, "squares", fail)
    found = run(images, tmp_path / "sweep", workers=1)
    assert [item.summary.rejected for item in found] == [3, 3, 3] or [item.summary.rejected for item in found] == [
        2
    ] * 3


def test_a_store_of_some_pairs_is_extended_by_a_plain_extraction(images, tmp_path):
    (item,) = run(images, tmp_path / "sweep", requests=(FIRST,))
    put(images, "new.png", 77)
    assert extract(images, item.path, replace(SETTINGS, weights=None)).decoded == 1
    assert extract(images, item.path, replace(SETTINGS, taps=TAPS[::-1])).decoded == 0
    names = {name for _, vectors in oracle.check(item.path).rows.values() for name in vectors}
    assert len(names) == 3


@pytest.mark.parametrize(
    "asked",
    [
        {"layers": ("body", "head"), "pools": ("gap", "max")},
        {"layers": ("body", "head")},
        {"pools": ("max", "gap")},
        {"taps": TAPS[:2]},
        {"taps": (*TAPS, Tap("body", "max"))},
        {"layers": ("body",)},
    ],
)
def test_other_pairs_than_a_stores_are_refused(images, tmp_path, asked):
    (item,) = run(images, tmp_path / "sweep", requests=(FIRST,))
    with pytest.raises(MismatchError, match=r"(new|lacking): \w+ with|made with layers"):
        extract(images, item.path, replace(SETTINGS, model=FIRST.model, **asked))


def test_pairs_that_are_all_pairs_are_those_of_a_plain_extraction(images, tmp_path):
    taps = tuple(Tap(layer, pool) for layer in ("body", "head") for pool in ("gap", "gem"))
    (item,) = run(images, tmp_path / "sweep", requests=(replace(FIRST, taps=taps),))
    same = replace(SETTINGS, model=FIRST.model, layers=("head", "body"), pools=("gem:3", "gap"))
    assert extract(images, item.path, same).unchanged == 11


def test_a_store_or_a_folder_that_is_held_is_not_written_to(images, tmp_path):
    (item,) = run(images, tmp_path / "sweep", requests=(FIRST,))
    for held in (item.path, tmp_path / "sweep" / "stores"):
        with lock.exclusive(held), pytest.raises(LockedError):
            run(images, tmp_path / "sweep")


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ((), "no model"),
        ((FIRST, FIRST), "share the store"),
        ((ModelRequest("tests.tiny:build", None, ()),), "no layer"),
        ((FIRST, ModelRequest("tests.tiny:biuld", None, TAPS)), "cannot be imported"),
        ((FIRST, replace(SECOND, taps=(Tap("haed", "gap"),))), "nearest: 'head'"),
    ],
)
def test_what_cannot_be_done_is_an_error_and_leaves_nothing(images, tmp_path, requests, message):
    with pytest.raises(UsageError, match=message):
        run(images, tmp_path / "new" / "sweep", requests=requests)
    assert not (tmp_path / "new").exists()


def test_what_is_proved_is_proved_for_each_model(images, tmp_path, monkeypatch):
    monkeypatch.setattr("bignet.extractor.prove.fast_precisions", lambda _device: ("bf16",))
    found = run(images, tmp_path / "sweep", precision="auto")
    for item in found:
        plain(images, tmp_path / item.model, next(each for each in ALL if each.model == item.model), precision="auto")
        ours, theirs = oracle.check(item.path), oracle.check(tmp_path / item.model)
        assert item.summary.embeddings[0].computed_by.precision == "bf16"
        oracle.assert_same_content(ours, theirs)


def test_squares_decoded_together_are_those_decoded_alone():
    data = encoded(photo(3, (640, 480)), quality=90)
    wanted = [other.preprocess, tiny.build.preprocess, replace(other.preprocess, decode="fast")]
    limits = SETTINGS.limits
    together, width, height = decode.decode_all(data, wanted, limits)
    assert (width, height) == (640, 480)
    for squares, preprocess in zip(together, wanted, strict=True):
        np.testing.assert_array_equal(squares, decode.decode(data, preprocess, limits)[0])
