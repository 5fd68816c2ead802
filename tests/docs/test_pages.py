"""What stands in the blocks of a page is well formed, whether it runs or not."""

from pathlib import Path

import pytest

from tests.docs.runner import pages, read_page
from tests.docs.syntax import check_syntax


@pytest.mark.parametrize("page", pages(), ids=str)
def test_blocks_of_a_page_are_well_formed(page: Path) -> None:
    for snippet in read_page(page):
        check_syntax(snippet)


@pytest.mark.parametrize("page", pages(), ids=str)
def test_a_block_that_does_not_run_says_why(page: Path) -> None:
    silent = [snippet.place for snippet in read_page(page) if snippet.reason is not None and len(snippet.reason) < 10]
    assert silent == []
