import os

import pytest

from bignet.errors import UsageError
from bignet.extractor.sources import Entry, label_of, scan


def touch(root, *names):
    for name in names:
        path = os.path.join(os.fsencode(root), os.fsencode(name))
        os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120 - names are bytes
        with open(path, "wb") as file:  # noqa: PTH123
            file.write(b"x")


def names(found):
    return [entry.path for entry in found.entries]


def test_a_folder_gives_every_file_below_it_in_byte_order(tmp_path):
    touch(tmp_path, "b.jpg", "a/z.jpg", "a/b/c/d.png", "a.txt", "Ä.jpg", "a/B.jpg")
    found = scan(tmp_path)
    assert found.kind == "folder"
    assert found.root == tmp_path
    assert names(found) == sorted([b"b.jpg", b"a/z.jpg", b"a/b/c/d.png", b"a.txt", "Ä.jpg".encode(), b"a/B.jpg"])


def test_entries_know_size_and_time(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"12345")
    os.utime(tmp_path / "a.jpg", ns=(1, 1_700_000_000_123_456_789))
    assert scan(tmp_path).entries == (Entry(b"a.jpg", 5, 1_700_000_000_123_456_789),)


def test_hidden_names_are_passed_over_and_counted(tmp_path):
    touch(tmp_path, "a.jpg", ".b.jpg", ".cache/c.jpg", "d/.e.jpg")
    found = scan(tmp_path)
    assert names(found) == [b"a.jpg"]
    assert found.skipped == {"hidden": 3, "linked_folders": 0, "stores": 0}


def test_linked_folders_are_not_entered_linked_files_are_read(tmp_path):
    touch(tmp_path, "photos/a.jpg", "elsewhere/b.jpg")
    root = tmp_path / "photos"
    (root / "folder").symlink_to(tmp_path / "elsewhere")
    (root / "up").symlink_to("..")
    (root / "c.jpg").symlink_to(tmp_path / "elsewhere" / "b.jpg")
    found = scan(root)
    assert names(found) == [b"a.jpg", b"c.jpg"]
    assert found.skipped["linked_folders"] == 2
    assert found.entries[1].n_bytes == 1


def test_links_that_lead_nowhere_are_entries_to_be_refused(tmp_path):
    touch(tmp_path, "a.jpg")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "ping").symlink_to("pong")
    (tmp_path / "pong").symlink_to("ping")
    (tmp_path / "dangling.jpg").symlink_to("nowhere")
    found = scan(tmp_path)
    assert names(found) == [b"a.jpg", b"dangling.jpg", b"loop", b"ping", b"pong"]
    assert {entry.n_bytes for entry in found.entries[1:]} == {-1}


def test_the_folder_itself_may_be_a_link(tmp_path):
    touch(tmp_path, "photos/a.jpg")
    (tmp_path / "link").symlink_to("photos")
    assert scan(tmp_path / "link") == scan(tmp_path / "photos")


def test_what_is_no_regular_file_is_an_entry_to_be_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    assert scan(tmp_path).entries == (Entry(b"pipe.jpg", -1, -1),)


def test_stores_and_sweeps_inside_the_folder_are_passed_over(tmp_path):
    touch(tmp_path, "a.jpg", "mine/manifests/00000001.json", "mine/shards/x.parquet", "manifests/notes.jpg")
    touch(tmp_path, "sweep/stores/.lock", "sweep/sweep.json", "stores/b.jpg")
    found = scan(tmp_path)
    assert names(found) == [b"a.jpg", b"manifests/notes.jpg", b"stores/b.jpg"]
    assert found.skipped["stores"] == 2


def test_a_store_is_no_folder_of_images(tmp_path):
    touch(tmp_path, "mine/manifests/00000001.json")
    with pytest.raises(UsageError, match="is a store, not a folder of images"):
        scan(tmp_path / "mine")


ODD = [
    b"\xff\xfe latin-\xe9.jpg",
    b"new\nline.jpg",
    b"tab\tand\rreturn.jpg",
    b" leading and trailing ",
    b"-rf",
    b"quote\"s'and`$(x)",
    b"n" * 255,
    b"f" * 255 + b"/" + b"n" * 251 + b".jpg",
    "e\u0301/\u202egpj.png".encode(),
]


@pytest.mark.parametrize("name", ODD, ids=lambda name: ascii(name[:20]))
def test_odd_names_come_back_byte_for_byte(tmp_path, name):
    touch(tmp_path, name)
    assert names(scan(tmp_path)) == [name]


def test_odd_names_come_back_from_a_list_too(tmp_path):
    touch(tmp_path, *ODD)
    (tmp_path / "all.list").write_bytes(b"\0".join(ODD) + b"\0")
    found = scan(tmp_path / "all.list")
    assert names(found) == sorted(ODD)
    assert {entry.n_bytes for entry in found.entries} == {1}


def test_a_list_may_be_relative_absolute_doubled_and_wrong(tmp_path):
    touch(tmp_path, "lists/in/a.jpg", "lists/b.jpg", "outside/c.jpg")
    lines = [
        "in/a.jpg",
        "./in/../in/a.jpg",
        f"{tmp_path}/lists/in/a.jpg",
        "../outside/c.jpg",
        f"{tmp_path}/outside/c.jpg",
        "",
        "   ",
        "b.jpg",
        "missing.jpg",
        "in",
    ]
    path = tmp_path / "lists" / "some.txt"
    path.write_text("\n".join(lines))
    found = scan(path)
    outside = os.fsencode(tmp_path / "outside" / "c.jpg")
    assert found.kind == "list"
    assert found.root == tmp_path / "lists"
    assert names(found) == sorted([outside, b"b.jpg", b"in", b"in/a.jpg", b"missing.jpg"])
    assert [entry.n_bytes for entry in found.entries] == [1, 1, -1, 1, -1]


def test_a_list_may_end_its_lines_as_windows_does(tmp_path):
    touch(tmp_path, "a.jpg", "b c.jpg")
    (tmp_path / "list.txt").write_bytes(b"a.jpg\r\nb c.jpg\r\n\r\n")
    assert names(scan(tmp_path / "list.txt")) == [b"a.jpg", b"b c.jpg"]


def test_hidden_names_in_a_list_were_asked_for(tmp_path):
    touch(tmp_path, ".a.jpg")
    (tmp_path / "list.lst").write_text(".a.jpg\n")
    assert names(scan(tmp_path / "list.lst")) == [b".a.jpg"]


@pytest.mark.parametrize("name", ["photo.jpg", "list.csv"])
def test_a_file_that_is_no_list_is_refused(tmp_path, name):
    touch(tmp_path, name)
    with pytest.raises(UsageError, match=r"neither a folder nor a list of paths \(\.txt, \.lst, \.list\)"):
        scan(tmp_path / name)


def test_what_does_not_exist_is_refused(tmp_path):
    with pytest.raises(UsageError, match="does not exist; give a folder of images or a list file"):
        scan(tmp_path / "nowhere")


def test_a_folder_that_cannot_be_listed_is_named(tmp_path, monkeypatch):
    touch(tmp_path, "closed/a.jpg")
    listing = os.scandir

    def refuse(folder):
        if folder.endswith(b"closed"):
            raise PermissionError(13, "Permission denied")
        return listing(folder)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(UsageError, match=r"folder '.*closed' cannot be listed: Permission denied"):
        scan(tmp_path)


@pytest.mark.parametrize(
    ("path", "label"),
    [
        (b"x.jpg", None),
        (b"a/x.jpg", "a"),
        (b"a/b/x.jpg", "a#b"),
        (b"/abs/a/x.jpg", "abs#a"),
        (b"../up/x.jpg", "up"),
        (b"c#/x.jpg", "c\\#"),
        (b"a#b/x.jpg", "a\\#b"),
        (b"  /x.jpg", "\\x20\\x20"),
        (b" a /x.jpg", " a "),
        (b"caf\xe9/x.jpg", "caf\\xe9"),
        ("café/x.jpg".encode(), "café"),
        (b"a\\/b/x.jpg", "a\\x5c#b"),
    ],
)
def test_labels_are_folders_joined_by_hashes(path, label):
    assert label_of(path) == label


def test_different_folders_have_different_labels():
    paths = [b"a/b/x", b"a#b/x", b"a\\/b/x", b"a\\#b/x", b" /x", b"  /x", b"a/ /x"]
    labels = [label_of(path) for path in paths]
    assert len(set(labels)) == len(paths), labels
