"""A server that was away for longer than a lease finds its jobs where they were."""

from pathlib import Path

import pytest

from tests.acceptance.outage import sit_out_an_outage
from tests.support.server import running_server


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_outage_longer_than_a_lease_costs_no_job_no_result_and_no_byte(
    database: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    is_sqlite = database == "sqlite"
    url = f"sqlite:///{tmp_path / 'queue.db'}" if is_sqlite else request.getfixturevalue("postgresql_url")
    with running_server(tmp_path, url, upgrade=True, lease_seconds=4, renew_seconds=0.5) as server:
        sit_out_an_outage(server, tmp_path, seconds=4.5)
