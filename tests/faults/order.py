"""The order of a command's system calls, which is all that a power cut leaves to rely on."""

import re
import subprocess
from typing import NamedTuple

from tests.faults import harness


class Link(NamedTuple):
    """A file that got its final name: the number of the call, its name until then, its name from then on."""

    at: int
    temporary: str
    final: str


def links(trace, command):
    """Run a command, check the order of its calls -> every file that it published."""
    watching = harness.strace("-y", "-o", str(trace), "-e", "trace=write,fsync,link,rename")
    harness.injected()
    done = subprocess.run([*watching, *command], env=harness.ENVIRONMENT, cwd=harness.ROOT, check=False)
    assert done.returncode in (0, 10)
    calls = re.findall(r" (write|fsync|link|rename)\((.*)", trace.read_text())
    named = [
        Link(at, *re.findall(r'"([^"]*)"', rest)) for at, (name, rest) in enumerate(calls) if name in ("link", "rename")
    ]
    named = [link for link in named if "/sem.mp-" not in link.final]  # semaphores are no files
    for link in named:
        _check(link, calls, named)
    return named


def _check(link, calls, named):
    """Its bytes are synced once, after the last write; its folder is synced before the next manifest counts on it."""
    touching = [name for name, rest in calls[: link.at] if f"<{link.temporary}>" in rest]
    assert touching[-1:] == ["fsync"], link
    assert touching.count("fsync") == 1, link
    until = next((other.at for other in named if other.at > link.at and "/manifests/" in other.final), len(calls))
    folder = link.final.rpartition("/")[0]
    assert any(name == "fsync" and f"<{folder}>" in rest for name, rest in calls[link.at : until]), link
