"""Every page of the documentation does what it says: what it tells a reader to do is done, on a server of its own."""

import shutil
from pathlib import Path

import pytest

from tests.components.requirements import required_components
from tests.docs.runner import DATABASE, PageRun, pages, read_page, runs


def needs_database(page: Path) -> bool:
    return any(DATABASE in snippet.text for snippet in read_page(page) if runs(snippet))


RUNNING = [page for page in pages() if any(runs(snippet) for snippet in read_page(page))]


def has_programs(page: Path) -> bool:
    """Whether the programs that a page calls, and that are not ours, are here."""
    return all(shutil.which("curl") for snippet in read_page(page) if runs(snippet) and "$ curl " in snippet.text)


def run_page(page: Path, folder: Path, database: str | None = None) -> None:
    if not has_programs(page):
        # Whoever requires components wants no page left out in silence.
        end = pytest.fail if required_components() else pytest.skip
        end(f"{page} needs curl, which is not installed")
    with PageRun(folder, database) as run:
        for snippet in read_page(page):
            run.run(snippet)
        run.end()


@pytest.mark.parametrize("page", [page for page in RUNNING if not needs_database(page)], ids=str)
def test_page_does_what_it_says(page: Path, tmp_path: Path) -> None:
    run_page(page, tmp_path)


@pytest.mark.parametrize("page", [page for page in RUNNING if needs_database(page)], ids=str)
def test_page_does_what_it_says_on_postgresql(page: Path, tmp_path: Path, postgresql_url: str) -> None:
    run_page(page, tmp_path, postgresql_url)
