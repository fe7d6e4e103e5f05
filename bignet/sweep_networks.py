"""The networks of a sweep's stores, for all that is done with them once their images are embedded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bignet.extractor import encoder as encoders
from bignet.extractor import machine
from bignet.extractor.altered import encoder_for

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bignet.extractor.encoder import Blueprint, Encoder, Ready
    from bignet.store.snapshot import Snapshot


class Networks:
    """Those that are at hand; others are drawn when they are first asked for.

    Attributes:
        stores: by name, open.
        device: where they run; of several GPUs the first.

    Args:
        stores: see there.
        device: see ``machine.find_device``.
        ready: on that device, by the name of their store.
    """

    def __init__(self, stores: Mapping[str, Snapshot], device: str, ready: Mapping[str, Ready]) -> None:
        self.stores = stores
        self.device = machine.devices_for(machine.find_device(device))[0]
        self._ready = dict(ready)
        self._drawn: dict[str, Blueprint] = {}

    def blueprint(self, name: str) -> Blueprint:
        """Of a store's encoder.

        Raises:
            MismatchError: what can be built today is not what made the store.
        """
        if name in self._ready:
            return self._ready[name].blueprint
        if name not in self._drawn:
            self._drawn[name] = encoders.redraw(self.stores[name].embeddings)
        return self._drawn[name]

    def encoder(self, name: str) -> Encoder:
        """A store's encoder.

        Raises:
            MismatchError: see ``blueprint``.
        """
        return self._ready[name].encoder if name in self._ready else encoder_for(self.blueprint(name), self.device)

    def let_go(self) -> None:
        """Nothing more is done with them: their memory is free."""
        self._ready.clear()
        self._drawn.clear()
