"""What was fitted for a derived store's steps, as the store keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa

from bignet.derive.fitted import Fitted, Part
from bignet.derive.steps import StepKind, parse_steps
from bignet.errors import IntegrityError
from bignet.names import shell_word
from bignet.store import layout, shards

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from bignet.store.snapshot import Snapshot


def as_table(fitted: Fitted) -> pa.Table:
    """Every fitted array, one a row."""
    rows: dict[str, list[Any]] = {name: [] for name in shards.FITTED_SCHEMA.names}
    for step, name, array in fitted.arrays():
        for column, value in zip(rows.values(), (step, name, list(array.shape), array.ravel()), strict=True):
            column.append(value)
    return pa.table(rows, schema=shards.FITTED_SCHEMA)


def fitted_of(snapshot: Snapshot) -> Fitted | None:
    """The steps that a store's vectors went through; None where they are as an encoder made them.

    Raises:
        IntegrityError: the file is missing or damaged, or another than the fingerprint speaks of.
    """
    derived = snapshot.embedding().derived
    if derived is None:
        return None
    table = _read(snapshot)
    arrays: dict[int, dict[str, NDArray[np.float64]]] = {}
    for row in range(len(table)):
        step, name, shape = (table[column][row].as_py() for column in ("step", "name", "shape"))
        arrays.setdefault(step, {})[name] = table["numbers"][row].values.to_numpy().reshape(shape)
    steps = parse_steps(derived.steps)
    parts = tuple(Part(step, arrays.get(place, {})) for place, step in enumerate(steps) if not step.of_neighbours)
    by_kind = {step.kind: step for step in steps}
    found = Fitted(derived.dims, parts, by_kind.get(StepKind.DBA), by_kind.get(StepKind.QE))
    if found.sha256 != derived.sha256:
        raise IntegrityError(f"what was fitted for '{derived.steps}' in {snapshot.path} was altered{_mend(snapshot)}")
    return found


def _read(snapshot: Snapshot) -> pa.Table:
    record = snapshot.manifest.fitted
    if record is None:
        raise IntegrityError(f"store {snapshot.path} lacks what was fitted for its steps{_mend(snapshot)}")
    path = snapshot.path / layout.SHARDS / record.name
    return shards.read(path, record, shards.FITTED_SCHEMA, owner=snapshot.manifest.store_uuid)


def _mend(snapshot: Snapshot) -> str:
    return f"; bignet verify {shell_word(str(snapshot.path))} --repair, then the same derivation, brings it back"
