"""BigNet: embed folders of images, search them, and measure how good the embeddings are.

    import bignet

    store = bignet.extract("photos", "photos.bignet", model="resnet50", layers=["layer4"], pools=["gap"])
    for hit in store.search("query.jpg", k=10):
        print(hit.score, hit.path)
    bignet.report("photos.bignet", "report")

Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bignet.api import build_index, clusters, derive_store, extract, import_vectors, open, report, sweep, verify
    from bignet.errors import BigNetError
    from bignet.opened import Store
    from bignet.search.results import Hit

__all__ = [
    "BigNetError",
    "Hit",
    "Store",
    "build_index",
    "clusters",
    "derive_store",
    "extract",
    "import_vectors",
    "open",
    "report",
    "sweep",
    "verify",
]

_HOMES = {"BigNetError": "bignet.errors", "Hit": "bignet.search.results", "Store": "bignet.opened"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'bignet' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_HOMES.get(name, "bignet.api")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
