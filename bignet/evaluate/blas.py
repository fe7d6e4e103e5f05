"""Threads of matrix products."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING

from threadpoolctl import threadpool_info, threadpool_limits

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def a_core_left_over() -> Iterator[None]:
    """Products leave one core to a thread beside them: two threads on a core would wait for each other."""
    pools = [int(pool["num_threads"]) for pool in threadpool_info() if pool["user_api"] == "blas"]
    with threadpool_limits(max(1, min([len(os.sched_getaffinity(0)) - 1, *pools])), user_api="blas"):
        yield


@contextmanager
def one_core_each(n_threads: int) -> Iterator[None]:
    """Products of several threads that work side by side take a core each; one thread alone has all of them."""
    with threadpool_limits(1 if n_threads > 1 else None, user_api="blas"):
        yield
