"""A server with a key, and an autoscaler for it."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.server.serving import Api, serving
from tests.support.server import command
from whatsnext_autoscale_slurm import AutoscaleSettings
from whatsnext_autoscale_slurm.autoscaler import Autoscaler
from whatsnext_autoscale_slurm.launch import Launch
from whatsnext_client.address import parse_address
from whatsnext_client.rest import Rest
from whatsnext_client.transport import Transport
from whatsnext_core.memory import MemoryStorage
from whatsnext_server.config import ServerSettings

KEY = "sesame-3f9a"
MakeScaler: TypeAlias = Callable[..., Autoscaler]


@pytest.fixture
def api() -> Iterator[Api]:
    """A server with a key."""
    settings = ServerSettings(database="memory://", api_keys=(KEY,))
    with serving(MemoryStorage(), settings, **{"X-API-Key": KEY}) as running:
        yield running


@pytest.fixture
def said() -> list[str]:
    """What autoscalers told."""
    return []


@pytest.fixture
def make_scaler(api: Api, said: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeScaler:
    """Makes autoscalers of small pilots that leave soon; those of a test know the same pilots."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # what a pilot that is killed leaves behind goes with the test
    of_test = f"test-{os.urandom(4).hex()}"

    def make(name: str = of_test, **changes: Any) -> Autoscaler:
        small = {"cpus": 4, "mem": "200M", "time": 600.0, "idle": 1.0, "interval": 0.2, "max_pilots": 2}
        key = tmp_path / "key"
        key.write_text(KEY)
        launch = Launch(
            name=name,
            settings=AutoscaleSettings(**{**small, **changes}),
            program=changes.get("program") or command()[0],
            target=["--server", api.url],
            folder=tmp_path,
            key=key,
        )
        rest = Rest(Transport(parse_address(api.url), api_key=KEY, timeout=30, retry_for=0))
        return Autoscaler(rest, None, launch, said.append)

    return make
