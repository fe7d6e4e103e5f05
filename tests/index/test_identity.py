import shlex

import pytest

from bignet.errors import IntegrityError, MismatchError
from bignet.index import disk, identity
from bignet.index.tuning import Aim
from tests.index.stores import extend, index, make


def test_a_damaged_index_names_the_command_that_builds_it_as_it_was_asked_for(tmp_path):
    snapshot = make(tmp_path / "my photos", ids=range(600))
    index(snapshot, "head.max", kind="bits:itq:8", aim=Aim(0.9, 5))
    folder = disk.folder_of(snapshot, "head.max")
    (folder / identity.load(folder).file).write_bytes(b"")
    with pytest.raises(IntegrityError) as caught:
        disk.open_index(snapshot, "head.max")
    words = shlex.split(str(caught.value).partition("build it again with: ")[2])
    assert words[:3] == ["bignet", "index", str(snapshot.path)]
    assert words[3:] == ["--embedding", "head.max", "--kind", "bits:itq:8", "--recall", "0.9", "-k", "5"]


def test_a_stale_index_names_the_command_that_brings_it_up_to_date(tmp_path):
    snapshot = make(tmp_path / "store", ids=range(600))
    for settings, options in (({}, ""), ({"kind": "hnsw"}, " --kind hnsw")):
        index(snapshot, **settings)
        newer = extend(snapshot.path, range(len(snapshot), len(snapshot) + 9))
        with pytest.raises(MismatchError, match=f"bring it up to date with: bignet index {snapshot.path}{options}$"):
            disk.open_index(newer)
        snapshot = newer
