"""Real images for a first try, out of an installed package: scikit-learn's handwritten digits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from bignet.errors import UsageError, explain_os_error

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

CLASS_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def write_digits(folder: Path) -> int:
    """Write the 1,797 digits (8 x 8, gray) as PNG files, one folder a class -> how many are there.

    Files that are there already stay as they are, so that a second run finds nothing new.

    Raises:
        UsageError: scikit-learn is not installed.
        ResourceError: the folder cannot be written to.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise UsageError("the demo needs the extra 'offline': pip install 'bignet[offline]'") from None
    digits = load_digits()
    try:
        return _write(folder, digits.images, digits.target)
    except OSError as error:
        raise explain_os_error(error, f"write the digits to '{folder}'") from error


def _write(folder: Path, images: NDArray[np.float64], targets: NDArray[np.int64]) -> int:
    for number, (pixels, digit) in enumerate(zip(images, targets, strict=True)):
        path = folder / CLASS_NAMES[digit] / f"{number:04d}.png"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            gray = np.rint(pixels * (255 / 16)).astype(np.uint8)  # the data set's values are 0 to 16
            Image.fromarray(gray).save(path)
    return len(targets)
