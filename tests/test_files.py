"""Files are whole or absent, and durable before they are visible."""

import errno
import hashlib
import os
import random

import pytest

from bignet import files


@pytest.fixture
def calls(monkeypatch):
    """What the operating system was asked to make durable or visible, in order, by name."""
    seen = []
    real = {name: getattr(os, name) for name in ("fsync", "link", "replace", "unlink")}

    def name_of(target):
        path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)  # noqa: PTH115
        base = os.path.basename(path)  # noqa: PTH119
        return "temporary" if base.startswith(files.TEMPORARY_PREFIX) else base

    def watched(name):
        def call(*arguments, **options):
            if name == "fsync":
                assert os.fstat(arguments[0]).st_size > 0 or "folder" in name_of(arguments[0])
            seen.append((name, *(name_of(item) for item in arguments)))
            return real[name](*arguments, **options)

        return call

    for name in real:
        monkeypatch.setattr(os, name, watched(name))
    return seen


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "folder"
    path.mkdir()
    return path


def write(data):
    return lambda file: file.write(data)


def test_a_new_file_is_synced_then_published_then_its_folder_is_synced(folder, calls):
    files.publish_new(folder / "a", write(b"abc"))
    publishing = [call for call in calls if call[0] != "unlink"]
    assert publishing == [("fsync", "temporary"), ("link", "temporary", "a"), ("fsync", "folder")]
    assert [item.name for item in folder.iterdir()] == ["a"]


def test_a_replaced_file_is_synced_then_renamed_then_its_folder_is_synced(folder, calls):
    (folder / "a").write_bytes(b"old")
    files.replace(folder / "a", write(b"abc"))
    publishing = [call for call in calls if call[0] != "unlink"]
    assert publishing == [("fsync", "temporary"), ("replace", "temporary", "a"), ("fsync", "folder")]
    assert (folder / "a").read_bytes() == b"abc"
    assert [item.name for item in folder.iterdir()] == ["a"]


def test_everything_is_written_when_the_file_is_synced(folder, monkeypatch):
    seen = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append(os.fstat(descriptor).st_size))
    files.publish_new(folder / "a", lambda file: [file.write(b"x" * 1000) for _ in range(100)])
    assert seen[0] == 100_000


@pytest.mark.parametrize("n_writes", [0, 1, 7])
def test_the_summary_is_of_the_bytes_on_disk(folder, n_writes):
    generator = random.Random(n_writes)
    parts = [generator.randbytes(generator.randrange(5000)) for _ in range(n_writes)]
    written = files.publish_new(folder / "a", lambda file: [file.write(part) for part in parts])
    data = (folder / "a").read_bytes()
    assert data == b"".join(parts)
    assert (written.n_bytes, written.sha256) == (len(data), hashlib.sha256(data).hexdigest())
    assert files.sha256_of(folder / "a") == written.sha256


@pytest.mark.parametrize(
    "data", [b"abcdef", bytearray(b"abcdef"), memoryview(b"abcdef"), memoryview(b"abcdef").cast("H")]
)
def test_a_hashing_file_takes_any_bytes_and_counts_them(tmp_path, data):
    with (tmp_path / "a").open("wb", buffering=0) as raw:
        file = files.HashingFile(raw)
        assert file.write(data) == 6
        assert file.tell() == 6
        file.flush()
        file.close()
        assert file.closed
        assert (file.readable(), file.writable(), file.seekable()) == (False, True, False)
    assert (tmp_path / "a").read_bytes() == b"abcdef"
    assert file.summary() == files.WrittenFile(6, hashlib.sha256(b"abcdef").hexdigest())


class ThreeBytesAtATime:
    """What a nearly full disk or a signal does: write takes less than it was given."""

    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += bytes(data[:3])
        return min(len(data), 3)


def test_a_short_write_is_gone_on_with():
    raw = ThreeBytesAtATime()
    file = files.HashingFile(raw)
    assert file.write(b"abcdefgh") == 8
    assert raw.data == b"abcdefgh"
    assert file.summary().sha256 == hashlib.sha256(b"abcdefgh").hexdigest()


def test_a_full_disk_is_seen_at_the_write():
    with open("/dev/full", "wb", buffering=0) as raw, pytest.raises(OSError, match="No space left"):  # noqa: PTH123
        files.HashingFile(raw).write(b"abc")


def test_a_name_that_is_taken_stands(folder):
    (folder / "a").write_bytes(b"first")
    with pytest.raises(FileExistsError):
        files.publish_new(folder / "a", write(b"second"))
    assert (folder / "a").read_bytes() == b"first"
    assert [item.name for item in folder.iterdir()] == ["a"]


def failing(number):
    def call(*_arguments, **_options):
        raise OSError(number, os.strerror(number))

    return call


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EFBIG])
@pytest.mark.parametrize("step", ["write", "fsync", "publish"])
@pytest.mark.parametrize("act", [files.publish_new, files.replace])
def test_a_failure_leaves_the_old_file_and_no_temporary_one(folder, monkeypatch, act, step, number):
    old = act is files.replace
    if old:
        (folder / "a").write_bytes(b"old")
    if step == "write":
        monkeypatch.setattr(files.HashingFile, "write", failing(number))
    elif step == "fsync":
        monkeypatch.setattr(os, "fsync", failing(number))
    else:
        monkeypatch.setattr(os, "replace" if old else "link", failing(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        act(folder / "a", write(b"new"))
    monkeypatch.undo()
    assert [item.name for item in folder.iterdir()] == (["a"] if old else [])
    if old:
        assert (folder / "a").read_bytes() == b"old"


@pytest.mark.parametrize("act", [files.publish_new, files.replace])
def test_a_writer_that_raises_leaves_nothing(folder, act):
    def half(file):
        file.write(b"half")
        raise RuntimeError("changed my mind")

    with pytest.raises(RuntimeError):
        act(folder / "a", half)
    assert list(folder.iterdir()) == []


def test_a_folder_that_cannot_be_synced_is_an_error(folder, monkeypatch):
    real = os.fsync

    def only_files(descriptor):
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", only_files)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        files.publish_new(folder / "a", write(b"abc"))


def test_syncing_leaves_no_descriptor_open(folder):
    before = os.listdir("/proc/self/fd")  # noqa: PTH208
    files.publish_new(folder / "a", write(b"abc"))
    files.replace(folder / "a", write(b"def"))
    assert os.listdir("/proc/self/fd") == before  # noqa: PTH208
