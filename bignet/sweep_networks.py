"""The networks of a sweep's stores, for all that is done with them once their images are embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.extractor import encoder as encoders

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bignet.extractor.encoder import Blueprint
    from bignet.store.snapshot import Snapshot


class Networks:
    """Those that are at hand; others are drawn when they are first asked for.

    Attributes:
        stores: by name, open.
    """

    def __init__(self, stores: Mapping[str, Snapshot], drawn: Mapping[str, Blueprint]) -> None:
        self.stores = stores
        self._drawn = dict(drawn)

    def of(self, name: str) -> Blueprint:
        """The blueprint of a store's encoder.

        Raises:
            MismatchError: what can be built today is not what made the store.
        """
        if name not in self._drawn:
            self._drawn[name] = encoders.redraw(self.stores[name].embeddings)
        return self._drawn[name]
