"""What is said at the end: how many faults were injected, by every process that ran tests."""

from dataclasses import asdict

import pytest

from tests.faults.harness import COUNT

_KEY = "bignet_faults"


def pytest_sessionfinish(session):
    if hasattr(session.config, "workeroutput"):  # of one process of several
        session.config.workeroutput[_KEY] = asdict(COUNT)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node):
    found = getattr(node, "workeroutput", {}).get(_KEY, {})  # a process that died has none
    COUNT.injected += found.get("injected", 0)
    COUNT.impossible += found.get("impossible", 0)


def pytest_terminal_summary(terminalreporter):
    if COUNT.injected or COUNT.impossible:
        terminalreporter.write_line(f"injected faults: {COUNT.injected}; could not inject: {COUNT.impossible}")
