import time

from bignet.extractor.clock import RunningClock


def test_it_runs_while_somebody_looks():
    clock = RunningClock(0.4)
    start, before = time.monotonic(), clock.now()
    while time.monotonic() < start + 0.3:
        time.sleep(clock.step)
        clock.now()
    assert 0.15 < clock.now() - before <= time.monotonic() - start + 1e-3


def test_a_stretch_in_which_nobody_looked_counts_as_two_steps_at_most():
    clock = RunningClock(0.4)
    before = clock.now()
    time.sleep(0.5)
    assert clock.now() - before <= 2 * clock.step < 0.4


def test_a_step_is_short_against_the_limit_and_never_long():
    assert RunningClock(60).step == 0.5
    assert RunningClock(0.8).step == 0.1
