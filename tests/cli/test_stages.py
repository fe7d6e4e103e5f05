import time

import pytest

from bignet.cli import stages as module
from bignet.cli.console import Notices
from bignet.cli.stages import Stages


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What the bars were told."""
    told: list[tuple[object, ...]] = []

    class Recorder:
        def __init__(self, _notices: Notices, doing: str, _unit: str) -> None:
            self.doing = doing

        def advanced(self, n_done: int, n_total: int | None) -> None:
            told.append((self.doing, n_done, n_total))

        def close(self) -> None:
            told.append((self.doing, "closed"))

    monkeypatch.setattr(module, "Bar", Recorder)
    return told


def test_each_stage_has_its_bar_and_the_one_before_goes(shown: list[tuple[object, ...]]) -> None:
    stages = Stages(Notices(quiet=False))
    for told in (
        ("reading", 0, 1),
        ("neighbours", 0, 1),
        ("neighbours", 5, 10),
        ("neighbours", 1, 1),
        ("writing", 0, 1),
    ):
        stages(*told)
    stages.close()

    assert shown == [
        ("reading", 0, None),
        ("reading", "closed"),
        ("neighbours", 0, None),
        ("neighbours", 5, 10),
        ("neighbours", 0, None),
        ("neighbours", "closed"),
        ("writing", 0, None),
        ("writing", "closed"),
    ]


def test_the_seconds_of_each_stage_are_kept_and_those_of_a_second_time_added() -> None:
    stages = Stages(Notices(quiet=True))
    for name in ("reading", "writing", "reading"):
        stages(name, 0, 1)
        time.sleep(0.02)
    stages.close()
    stages.close()

    assert list(stages.seconds) == ["reading", "writing"]
    assert stages.seconds["reading"] > 0.035
    assert 0.015 < stages.seconds["writing"] < stages.seconds["reading"]
