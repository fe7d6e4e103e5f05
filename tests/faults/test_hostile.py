"""Files that are no images, images that are broken, names that are traps: a row or a reason for each, and no harm."""

import os
import shutil
import socket
import subprocess
import unicodedata
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import bignet
from bignet import images as pixels
from bignet.extractor import journal
from bignet.extractor.machine import fast_precisions
from tests import oracle
from tests.extractor.pictures import encoded, photo, turned
from tests.faults import corpus, harness

N_DAMAGED = 3000 if harness.FULL else 300
ESCAPES = "\x1b[2J\x1b]0;title\x07"
NAMES = [
    b"\xff\xfe not utf-8.jpg",
    b"new\nline.jpg",
    b"tab\t.jpg",
    b"-rf.jpg",
    b"esc\x1b[2J.jpg",
    "turn\u202egpj.exe".encode(),
    b"=cmd().jpg",
    unicodedata.normalize("NFC", "\u00e9.jpg").encode(),
    unicodedata.normalize("NFD", "\u00e9.jpg").encode(),
    b"x" * 251 + b".jpg",
    b"a</script><svg onload=alert(1)>.jpg",
]


def put(path, data):
    path = Path(os.fsdecode(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def write_names(root):
    """Every name with a picture of its own, in a tree with loops -> path -> bytes."""
    contents = {b"names/" + name: encoded(photo(number)) for number, name in enumerate(NAMES)}
    deep = b"/".join([b"d"] * 300) + b"/deep.jpg"
    contents[deep] = encoded(photo(300))
    for path, data in contents.items():
        put(os.path.join(os.fsencode(root), path), data)
    (root / "names" / "itself").symlink_to(".")
    (root / "names" / "above").symlink_to("..")
    (root / "names" / "everything").symlink_to("/")
    return contents


def write_others(root):
    """What is no image at all -> path -> reason."""
    other = root / "other"
    (other / "folder.jpg").mkdir(parents=True)
    os.mkfifo(other / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(other / "socket.jpg"))
    with (other / "sparse.jpg").open("wb") as file:
        file.truncate(2**40)
    (other / "loop.jpg").symlink_to("loop.jpg")
    (other / "dangling.jpg").symlink_to("nowhere")
    put(other / "empty.jpg", b"")
    reasons = {"fifo": "not_regular_file", "socket": "not_regular_file", "sparse": "too_large_bytes"}
    reasons |= {"loop": "unreadable", "dangling": "unreadable", "empty": "truncated"}
    return {b"other/%s.jpg" % name.encode(): reason for name, reason in reasons.items()}


class World:
    """All of them in one folder, extracted by the command once."""

    def __init__(self, root):
        self.images, self.store = root / "images", root / "store"
        (self.images / "damaged").mkdir(parents=True)
        self.n_damaged = corpus.write(self.images / "damaged", N_DAMAGED)
        self.names = write_names(self.images)
        self.others = write_others(self.images)
        harness.injected(self.n_damaged + len(self.names) + len(self.others))
        command = harness.extract_command(self.images, self.store, "--shard-rows", "1000", "--batch-size", "32")
        self.outcome = harness.run([item for item in command if item != "--json"])
        self.content = oracle.check(self.store)

    @property
    def n_files(self):
        return self.n_damaged + len(self.names) + len(self.others)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return World(tmp_path_factory.mktemp("hostile"))


def test_every_file_is_embedded_or_has_a_reason_and_nothing_else_is_said(world):
    assert world.outcome.code == 10
    assert world.content.complete
    assert len(world.content.rows) + len(world.content.rejected) == world.n_files
    first, *rest = world.outcome.err.splitlines()
    assert first == f"{world.n_files:,} files: {world.n_files:,} to do, 0 unchanged"
    words = [line.split(" ")[0] for line in rest]
    tried = ["trying"] if fast_precisions(torch.device("cpu")) else []
    assert words == ["passed", *tried, "tests.tiny:build", "note:"]


def judged(world):
    """Each damaged file: its bytes' verdict by plain Pillow, and the product's."""
    for path in sorted((world.images / "damaged").iterdir()):
        key = b"damaged/" + os.fsencode(path.name)
        found = "ok" if key in world.content.rows else world.content.rejected[key]
        yield key, corpus.expected(path.read_bytes()), found


def test_broken_pictures_are_judged_as_plain_pillow_judges_them(world):
    differences = [item for item in judged(world) if item[2] not in item[1]]
    assert len(differences) <= 0.01 * world.n_damaged, differences


def test_each_kind_of_damage_is_met(world):
    found = [verdict for _, _, verdict in judged(world)]
    assert found.count("ok") > world.n_damaged / 10
    assert {"corrupt", "truncated", "unsupported_format", "too_many_pixels"} <= set(found)


def test_sound_pictures_are_embedded_and_foreign_ones_are_not(world):
    assert {b"damaged/" + os.fsencode(name) for name in corpus.sound()} <= world.content.rows.keys()
    foreign = {b"damaged/" + os.fsencode(name) for name in corpus.foreign()}
    assert foreign <= world.content.rejected.keys()
    assert world.content.rejected[b"damaged/picture.eps"] == "unsupported_format"
    assert world.content.rejected[b"damaged/bomb.gif"] == "too_many_pixels"


def test_what_is_no_image_holds_nobody_up(world):
    assert {path: world.content.rejected.get(path) for path in world.others} == world.others


def test_names_come_back_byte_for_byte_and_each_file_once(world):
    digests = {path: oracle.hashlib.sha256(data).digest() for path, data in world.names.items()}
    assert {path: world.content.rows[path][0] for path in digests} == digests
    top = {path.split(b"/")[0] for path in (*world.content.rows, *world.content.rejected)}
    assert top == {b"damaged", b"names", b"d", b"other"}


def test_a_terminal_is_never_sent_what_a_name_holds(tmp_path):
    images = tmp_path / "images"
    for name in NAMES:
        put(os.path.join(os.fsencode(images), b"bad/" + name), b"no picture")
    put(images / f"{ESCAPES}.jpg", b"no picture")
    store = tmp_path / "store"
    bignet.extract(images, store, model="tests.tiny:build", weights="random:0", device="cpu")
    outcome = harness.run([*harness.BIGNET, "info", str(store), "--rejected"])
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()
    assert len(lines) == len(NAMES) + 1
    for line in lines:
        assert line.count("\t") == 2
        assert all(character.isprintable() for character in line.replace("\t", ""))


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
def test_a_file_closed_to_us_is_unreadable(photos, golden, tmp_path):
    """Root reads what it likes; without that privilege it is an owner like any other."""
    if shutil.which("setpriv") is None:
        harness.cannot_inject("setpriv is missing")
    images = shutil.copytree(photos, tmp_path / "images")
    closed = images / "cats" / "03.png"
    closed.chmod(0)
    powers = "-dac_override,-dac_read_search"
    plain = ["setpriv", f"--bounding-set={powers}", f"--inh-caps={powers}"] if os.geteuid() == 0 else []
    if subprocess.run([*plain, "cat", closed], capture_output=True, check=False).returncode == 0:
        harness.cannot_inject("this user reads everything")
    harness.injected()
    store = tmp_path / "store"
    outcome = harness.run([*plain, *harness.extract_command(images, store)])
    assert (outcome.code, outcome.err) == (10, "")
    content = oracle.check(store)
    assert content.rejected == golden.rejected | {b"cats/03.png": "unreadable"}


@pytest.mark.skipif(not harness.FULL, reason="in the full sweep")
def test_files_that_change_while_they_are_read_are_not_mixed(photos, golden, tmp_path):
    """Their reads are held up; one is replaced by a rename meanwhile, the other is written to."""
    images, store = shutil.copytree(photos, tmp_path / "images"), tmp_path / "store"
    replaced, written = images / "cats" / "03.png", images / "cats" / "09.png"
    fresh = encoded(photo(99), "PNG")
    (tmp_path / "fresh.png").write_bytes(fresh)
    delayed = ["-P", str(replaced), "-P", str(written), "-e", "trace=read", "-e", "inject=read:delay_enter=2000000"]
    harness.injected(2)
    with harness.start([*harness.strace(*delayed), *harness.extract_command(images, store)]) as process:
        harness.wait_for(lambda: store.is_dir() and b"cats/03.png" in journal.in_flight(store))
        old = replaced.read_bytes()
        (tmp_path / "fresh.png").replace(replaced)
        harness.wait_for(lambda: b"cats/09.png" in journal.in_flight(store))
        with written.open("ab") as file:
            file.write(b"more")
        outcome = harness.finish(process)
    assert (outcome.code, outcome.err) == (10, "")
    content = oracle.check(store)
    assert content.rejected == golden.rejected | {b"cats/09.png": "changed_while_reading"}
    digest = content.rows[b"cats/03.png"][0]
    assert digest in {oracle.hashlib.sha256(data).digest() for data in (old, fresh)}
    assert harness.run(harness.extract_command(images, store)).code == 10
    other = tmp_path / "other"
    assert harness.run(harness.extract_command(images, other)).code == 10
    oracle.assert_same_content(oracle.check(store), oracle.check(other))


def stored(picture, orientation):
    """A picture as a camera held that way stores it: the tag says how to turn it back."""
    if orientation == 1:
        return picture
    undo = {6: 8, 8: 6}.get(orientation, orientation)
    return picture.transpose(pixels._TRANSPOSE[undo])


def worst_cosine(folder):
    """Nine files of one photo, eight of them turned and tagged -> the smallest cosine of any two."""
    picture = photo(21, (64, 48)).resize((320, 240), Image.Resampling.BICUBIC)
    put(folder / "images" / "plain.jpg", encoded(picture, quality=95))
    for number in range(1, 9):
        put(folder / "images" / f"{number}.jpg", turned(stored(picture, number), number))
    settings = {"model": "tests.tiny:build", "weights": "random:0", "device": "cpu", "pools": ["flat"]}
    bignet.extract(folder / "images", folder / "store", **settings)
    rows = oracle.check(folder / "store").rows.values()
    matrix = np.array([vectors["head.flat"] for _, vectors in rows])
    assert len(matrix) == 9
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    return float((unit @ unit.T).min())


def test_one_photo_turned_nine_ways_is_one_photo(tmp_path):
    harness.injected(8)
    assert worst_cosine(tmp_path) >= 0.99


def test_without_turning_it_upright_it_is_not(tmp_path, monkeypatch):
    monkeypatch.setattr(pixels, "orientation", lambda _: 1)
    assert worst_cosine(tmp_path) < 0.99
