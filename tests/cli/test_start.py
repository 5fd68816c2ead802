"""What commands import before they first talk to the server: a worker in an allocation is started for few jobs."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import free_port
from tests.support.server import clean_environment
from whatsnext_probe_nvidia import driver

SLOW = {"pydantic", "rich", "fastapi", "sqlalchemy", "msgspec", "jinja2", "dotenv", "docker", "kubernetes", "asyncio"}
CODE = """\
import json, sys
from whatsnext_client.cli import cli
try:
    cli.main(sys.argv[1:], standalone_mode=False)
except Exception as error:
    print(json.dumps([type(error).__name__, sorted({name.partition('.')[0] for name in sys.modules})]))
"""


@pytest.mark.parametrize(
    "arguments", [["worker", "--once"], ["autoscale", "slurm"], ["jobs", "ls"]], ids=["worker", "autoscale", "jobs"]
)
def test_a_command_imports_nothing_slow_before_its_first_request(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "whatsnext.toml").write_text("[client]\ndisabled_plugins = ['none']\nretry_for = 0\n")
    argv = [sys.executable, "-c", CODE, *arguments, "--server", "127.0.0.1", "--port", str(free_port())]
    argv += ["--project", "p"]
    env = clean_environment(HOME=str(tmp_path))
    done = subprocess.run(argv, capture_output=True, text=True, check=True, env=env, cwd=tmp_path)
    error, modules = json.loads(done.stdout)
    assert error == "ServerUnreachableError", done.stderr
    assert "typed_settings" in modules
    assert (SLOW | (set() if driver.is_installed() else {"pynvml"})) & set(modules) == set()
