import pytest

from bignet.units import size


@pytest.mark.parametrize(
    ("n_bytes", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1 kB"),
        (9_200_000, "9.2 MB"),
        (999_499, "999 kB"),
        (999_600, "1 MB"),
        (73_750_000, "73.8 MB"),
        (2 * 10**9, "2 GB"),
        (5 * 10**12, "5 TB"),
    ],
)
def test_bytes_are_said_in_the_unit_people_use(n_bytes, text):
    assert size(n_bytes) == text
