"""Podman with a store of our own, and the image of busybox in it. It has no daemon, so nothing is started."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.components.docker import BUSYBOX, busybox_archive, mounts_below
from tests.components.requirements import UnavailableError, component_folder
from tests.support import find_program

__all__ = ["Podman", "running_podman"]

REMEDY = "Install it (Debian: apt-get install podman runc catatonit busybox-static) and run the tests as root."
STORAGE = """\
[storage]
driver = "vfs"
runroot = "{folder}/run"
graphroot = "{folder}/data"
"""
CONTAINERS = """\
[containers]
netns = "none"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]

[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
tmp_dir = "{folder}/tmp"
"""


class Podman:
    """The program, with its settings, images and containers in one folder."""

    image = "localhost/busybox:latest"
    """The name of an image that holds busybox and its applets."""

    def __init__(self, folder: Path) -> None:
        program = find_program("podman")
        if program is None or not find_program("runc"):
            raise UnavailableError("podman", "there is no podman or no runc here.", REMEDY)
        if os.geteuid() != 0 or not BUSYBOX.exists():
            raise UnavailableError("podman", f"the tests need root and {BUSYBOX} for it.", REMEDY)
        self._program = program
        self._folder = folder
        (folder / "storage.conf").write_text(STORAGE.format(folder=folder))
        (folder / "containers.conf").write_text(CONTAINERS.format(folder=folder))

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to use this store."""
        return {
            "CONTAINERS_STORAGE_CONF": f"{self._folder}/storage.conf",
            "CONTAINERS_CONF": f"{self._folder}/containers.conf",
        }

    def run(self, *arguments: str, stdin: bytes = b"", check: bool = True) -> str:
        """What a call of `podman` prints."""
        argv, env = [self._program, *arguments], {**os.environ, **self.environment}
        done = subprocess.run(argv, env=env, input=stdin, capture_output=True, check=False, timeout=60)
        if check and done.returncode != 0:
            raise UnavailableError("podman", f"it fails here: {done.stderr.decode().strip()}", REMEDY)
        return done.stdout.decode()

    def remove(self) -> None:
        """Ends and removes all containers, images and mounts."""
        self.run("rm", "--all", "--force", "--time=0", check=False)
        for mount in mounts_below(self._folder):
            subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False)


@contextmanager
def running_podman() -> Iterator[Podman]:
    """The program with its image, once it has run a container."""
    with component_folder("podman") as folder:
        podman = Podman(folder)
        try:
            podman.run("import", "-", podman.image, stdin=busybox_archive())
            podman.run("run", "--rm", "--init", "--network=none", "--memory=64m", podman.image, "true")
            yield podman
        finally:
            podman.remove()
