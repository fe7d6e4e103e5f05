import os
import subprocess
import sys

CODE = """
import hashlib
import numpy as np
from bignet.evaluate.evaluate import evaluate
rng = np.random.default_rng(0)
codes = rng.integers(12, size=1500)
vectors = (rng.standard_normal((12, 96))[codes] + 2 * rng.standard_normal((1500, 96))).astype(np.float32)
found = evaluate(vectors, np.arange(1500), [f"c{code}" for code in codes], groups=[int(i) // 3 for i in range(1500)])
print(hashlib.sha256(repr((found.metrics, found.classes)).encode()).hexdigest())
"""


def test_one_and_two_threads_give_the_same_bytes():
    found = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
        found.add(done.stdout)
    assert len(found) == 1
