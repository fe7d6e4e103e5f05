import subprocess
import sys


def test_evaluation_needs_neither_torch_nor_sklearn_nor_scipy():
    code = (
        "import sys, bignet.evaluate.evaluate; "
        "print([m for m in ('torch', 'torchvision', 'sklearn', 'scipy', 'PIL') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_reading_a_result_needs_no_search_library():
    code = "import sys, bignet.evaluate.result; print('faiss' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
