"""Altered copies are embedded as their originals were, each file read once whatever the number of networks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import bignet
from bignet.errors import UsageError
from bignet.evaluate.sweep.invariance import self_hits
from bignet.extractor import altered, altered_file, decode, encoder, machine
from bignet.extractor.alterations import USUAL, Alteration, parse
from bignet.extractor.altered import Originals, embed_altered, embed_copies, encoder_for, spread
from bignet.images import open_rgb
from tests.extractor.pictures import photo as draw
from tests.extractor.pictures import put, turned

N = 24
NOTHING = Alteration("rotate", 360)
STEM = ("stem", "tests.tiny:build", ["stem"], ["gap", "max"])
HEAD = ("head", "tests.tiny:build", ["head", "body"], ["gap"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Pictures of several sizes, one of them turned by its EXIF."""
    root = tmp_path_factory.mktemp("altered")
    for seed in range(N - 1):
        put(root / "images", f"{seed:02d}.png", seed, size=(48 + seed, 40))
    (root / "images" / "99.jpg").write_bytes(turned(draw(99, (60, 40)), 6))
    return root


@pytest.fixture(scope="module")
def stores(folder):
    """The same pictures under two encoders."""
    made = {}
    for name, model, layers, pools in (STEM, HEAD):
        options = {"weights": "random:0", "precision": "fp32", "size": 40 if name == "stem" else None}
        made[name] = bignet.extract(
            folder / "images", folder / name, model=model, layers=layers, pools=pools, **options
        )
    return {name: store.snapshot for name, store in made.items()}


def one_by_one(store, rows, alterations):
    """{embedding: (A, n, D)}: each copy decoded, altered and embedded by itself."""
    network = encoder.rebuild(store.embeddings)
    table = store.metadata(["path"])["path"].to_pylist()
    root = store.image_root()
    found = {spec.name: np.empty((len(alterations), len(rows), spec.dims)) for spec in store.embeddings}
    for place, row in enumerate(rows):
        picture = open_rgb((root / table[row].decode()).read_bytes())
        for number, alteration in enumerate(alterations):
            square = decode.squares(alteration.apply(picture), network.spec.preprocess)
            for name, vectors in network.encode(square[None]).items():
                found[name][number, place] = vectors[0]
    return found


def assert_close(ours, theirs):
    assert set(ours) == set(theirs)
    for name, values in theirs.items():
        assert ours[name].dtype == np.float32
        np.testing.assert_allclose(ours[name], values, rtol=1e-4, atol=1e-5)


def test_a_copy_of_no_alteration_has_the_stored_vector(stores):
    for store in stores.values():
        found = embed_altered(store, None, np.arange(N), [NOTHING])
        assert_close(found.vectors, {spec.name: store.vectors(spec.name)[None] for spec in store.embeddings})


def test_every_usual_copy_is_the_altered_picture_embedded_by_itself(stores):
    rows = np.array([N - 1, 3, 3, 0])
    found = embed_altered(stores["head"], None, rows, USUAL)
    assert (found.rows.tolist(), found.unread, found.alterations) == (rows.tolist(), {}, USUAL)
    assert_close(found.vectors, one_by_one(stores["head"], rows, USUAL))


def test_several_networks_share_what_was_read_and_get_what_each_would_alone(stores, monkeypatch):
    alterations = [parse("rotate:30"), parse("flip")]
    alone = [embed_altered(store, None, np.arange(N), alterations) for store in stores.values()]
    read = []
    monkeypatch.setattr(
        altered, "read_image_file", lambda path, keep=altered.read_image_file: read.append(path) or keep(path)
    )
    told = []

    networks = [encoder_for(encoder.redraw(store.embeddings), torch.device("cpu")) for store in stores.values()]
    together = embed_copies(networks, Originals.of(stores["stem"], np.arange(N)), alterations, told.append)

    assert len(read) == len(set(read)) == N == sum(told)
    for ours, theirs in zip(together, alone, strict=True):
        for name, values in theirs.vectors.items():
            np.testing.assert_array_equal(ours.vectors[name], values)


@pytest.mark.parametrize("cores", [1, 3])
def test_vectors_do_not_depend_on_the_number_of_cores(stores, monkeypatch, cores):
    usual = embed_altered(stores["head"], None, np.arange(N), [parse("blur:0.02")])
    monkeypatch.setattr(machine, "available_cores", lambda: cores)
    again = embed_altered(stores["head"], None, np.arange(N), [parse("blur:0.02")])
    for name, values in usual.vectors.items():
        np.testing.assert_array_equal(again.vectors[name], values)


def test_files_that_are_gone_or_others_by_now_are_told_and_the_rest_keeps_its_places(tmp_path):
    for seed in range(6):
        put(tmp_path / "images", f"{seed}.png", seed)
    options = {"model": "tests.tiny:build", "weights": "random:0", "precision": "fp32"}
    store = bignet.extract(tmp_path / "images", tmp_path / "store", **options).snapshot
    whole = embed_altered(store, None, np.arange(6), USUAL)
    (tmp_path / "images" / "1.png").unlink()
    put(tmp_path / "images", "4.png", 77)

    found = embed_altered(store, None, np.array([5, 4, 2, 1]), USUAL)

    assert found.rows.tolist() == [5, 2]
    assert set(found.unread) == {1, 4}
    assert "unreadable" in found.unread[1]
    assert "another one than was embedded" in found.unread[4]
    for name, values in whole.vectors.items():
        np.testing.assert_allclose(found.vectors[name], values[:, [5, 2]], rtol=1e-4, atol=1e-5)


def test_images_may_have_moved(stores, folder, tmp_path):
    (tmp_path / "moved").symlink_to(folder / "images")
    found = embed_altered(stores["head"], tmp_path / "moved", np.arange(2), [NOTHING])
    assert found.rows.tolist() == [0, 1]
    with pytest.raises(UsageError, match="not a folder"):
        embed_altered(stores["head"], tmp_path / "nowhere", np.arange(2), [NOTHING])


def test_no_alteration_is_refused_and_no_image_gives_no_vector(stores):
    with pytest.raises(UsageError, match="0 alterations"):
        embed_altered(stores["head"], None, np.arange(2), [])
    found = embed_altered(stores["head"], None, np.arange(0), [NOTHING])
    assert {values.shape[:2] for values in found.vectors.values()} == {(1, 0)}


def test_rows_are_spread_over_the_whole_store():
    assert spread(10, 4).tolist() == [0, 2, 5, 7]
    assert spread(3, 200).tolist() == [0, 1, 2]
    assert spread(0).tolist() == []
    assert len(np.unique(spread(10**6))) == altered.USUAL_IMAGES


def test_self_hits_of_turned_copies_fall_with_the_angle_as_brute_force_says(stores):
    store, angles = stores["head"], (0.0, 12.0, 25.0)
    turns = [Alteration("rotate", angle) for angle in angles]
    copies = one_by_one(store, range(N), turns)

    found = embed_altered(store, None, np.arange(N), turns)

    for spec in store.embeddings:
        originals = store.vectors(spec.name).astype(float)
        originals /= np.linalg.norm(originals, axis=1, keepdims=True)
        wanted = []
        for each in copies[spec.name]:
            nearest = [max(range(N), key=lambda row, copy=copy: copy @ originals[row]) for copy in each]
            wanted.append(np.mean(np.array(nearest) == np.arange(N)))
        shares = self_hits(store.vectors(spec.name), found.vectors[spec.name], found.rows)
        assert shares.tolist() == wanted
        assert shares[0] == 1.0
        assert (np.diff(shares) <= 0).all()
        assert shares[-1] < 0.7


def test_torch_has_as_many_threads_afterwards_as_before(stores):
    before = torch.get_num_threads()
    embed_altered(stores["head"], None, np.arange(2), [NOTHING])
    assert torch.get_num_threads() == before


def test_what_was_saved_is_read_back_for_the_same_copies_only(stores, tmp_path):
    store, rows = stores["stem"], np.array([4, 2, 9])
    files = Originals.of(store, rows)
    found = replace(embed_altered(store, None, rows, USUAL), unread={7: "unreadable: é"})
    path = tmp_path / "stem.safetensors"
    key = altered_file.key_of(store.embeddings, files, USUAL)
    assert altered_file.load(path, key) is None

    altered_file.save(path, found, key)
    again = altered_file.load(path, key)

    assert (again.alterations, again.rows.tolist(), again.unread) == (USUAL, rows.tolist(), found.unread)
    assert set(again.vectors) == set(found.vectors)
    for name, values in found.vectors.items():
        np.testing.assert_array_equal(again.vectors[name], values)
    others = [
        altered_file.key_of(stores["head"].embeddings, files, USUAL),
        altered_file.key_of(store.embeddings, Originals.of(store, rows[::-1]), USUAL),
        altered_file.key_of(store.embeddings, files, USUAL[1:]),
    ]
    assert [altered_file.load(path, other) for other in others] == [None, None, None]
    path.write_bytes(path.read_bytes()[:100])
    assert altered_file.load(path, key) is None
