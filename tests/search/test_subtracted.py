import numpy as np

import bignet
from tests.index.stores import clustered, index, make


def test_a_query_with_a_negative_weight_is_compared_with_every_row(tmp_path):
    snapshot = make(tmp_path / "store", ids=range(3000), vectors_of=clustered)
    index(snapshot, kind="hnsw")
    store = bignet.open(snapshot.path)
    unit = snapshot.vectors().astype(np.float64)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for row in range(0, 300, 30):
        found = [hit.id for hit in store.search([(f"id:{row}", -1.0)], k=10)]
        assert found == np.argsort(unit @ unit[row], kind="stable")[:10].tolist()
