"""Amounts of memory as people write them."""

import pytest

from whatsnext_core.errors import InvalidError
from whatsnext_core.sizes import parse_size


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0", 0),
        ("1048576", 2**20),
        ("4G", 2**32),
        ("4g", 2**32),
        ("4GB", 2**32),
        ("4 GiB", 2**32),
        ("512MiB", 2**29),
        ("1.5k", 1536),
        (".5K", 512),
        ("2.T", 2**41),
        (" 1P ", 2**50),
        ("7b", 7),
    ],
)
def test_units_are_powers_of_1024(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1", "nan", "inf", "1e3", "4X", "4 G B", "1,5G", "٤G", "9" * 40])
def test_what_names_no_amount_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="no amount of memory"):
        parse_size(text)
