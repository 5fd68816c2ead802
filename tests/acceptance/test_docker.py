"""Jobs in containers of a real engine: each ends as it should, once, although their worker dies in the midst of them.

``python -m tests.acceptance.test_docker 100`` does the same with as many jobs as you like.
"""

import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.acceptance.endings import Mixture, Outcome
from tests.components import DockerEngine
from tests.components.docker import running_docker
from tests.support.server import clean_environment, command, running_server

JOBS = 6
SETTINGS = """\
[plugins.docker]
image = "{image}"
network = "none"
volumes = ["{folder}:{folder}"]
"""


def end_in_containers(docker: DockerEngine, folder: Path, count: int) -> Mapping[int, Outcome]:
    """Run so many jobs of every kind, with a worker that is killed, and see that all is as it should be."""
    (folder / "whatsnext.toml").write_text(SETTINGS.format(image=docker.image, folder=folder))
    with running_server(folder / "server", lease_seconds=20, renew_seconds=3) as server:
        mixture = Mixture.make(server, folder, ["--formatter", "docker", "--cpus", "6"], docker.environment)
        project = mixture.project
        project.create_task("absent", command_template="true", options={"docker": {"image": "localhost:1/none:x"}})
        absent = project.append("absent", "absent")
        expected = {**mixture.submit(count), absent.number: Outcome("FAILED", None, "engine")}
        mixture.run(expected)
        mixture.check(expected)
        assert "localhost:1" in absent.attempts()[0].message
        assert "Cannot connect to the Docker daemon at unix:///nowhere" in refusal(mixture)
    assert docker.run("ps", "--all", "--quiet").stdout == ""
    return expected


def refusal(mixture: Mixture) -> str:
    """What becomes of a job while the engine is away."""
    job = mixture.project.append("late", "absent")
    options = ["--formatter", "docker", "--server", mixture.server.url, "--state-dir", str(mixture.folder / "away")]
    env = clean_environment(DOCKER_HOST="unix:///nowhere/docker.sock")
    subprocess.run(
        command("worker", "--once", *options), env=env, cwd=mixture.folder, capture_output=True, check=True, timeout=120
    )
    assert job.refresh().status == "FAILED"
    (attempt,) = job.attempts()
    assert attempt.cause == "engine"
    return attempt.message


def test_containers_end_as_they_should_and_none_runs_twice_or_is_left(docker: DockerEngine, tmp_path: Path) -> None:
    causes = {end.cause for end in end_in_containers(docker, tmp_path, JOBS).values()}
    assert causes == {None, "exit", "timeout", "cancelled", "engine"}


def main() -> None:
    """Run as many jobs as the command line says, and tell how they ended."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    begin = time.monotonic()
    with running_docker() as docker, tempfile.TemporaryDirectory(prefix="whatsnext-acceptance-") as folder:
        ends = Counter(
            f"{end.status} {end.cause or ''}".strip() for end in end_in_containers(docker, Path(folder), count).values()
        )
    said = ", ".join(f"{number} {end}" for end, number in sorted(ends.items()))
    sys.stdout.write(f"{ends.total()} jobs, one worker killed: {said}; {time.monotonic() - begin:.0f} s\n")


if __name__ == "__main__":
    main()
