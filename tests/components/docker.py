"""A Docker engine of our own, without a registry: its images are imported from folders."""

import io
import os
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.components.requirements import UnavailableError, component_folder
from tests.support import Daemon, find_program

__all__ = ["DockerEngine", "running_docker"]

REMEDY = (
    "Install it (Debian: apt-get install docker.io iptables busybox-static) and run the tests as root or with sudo."
)
START_TIMEOUT = 60.0
BUSYBOX = Path("/bin/busybox")


class DockerEngine:
    """A `dockerd` with its socket and data in one folder.

    It makes no bridge, since that belongs to the whole machine: containers have the networks `none` and `host`.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemon: Daemon | None = None
        self._as_root = as_root()
        self._docker = program("docker")
        self._dockerd = program("dockerd")

    @property
    def host(self) -> str:
        """The value of DOCKER_HOST for this engine."""
        return f"unix://{self.folder}/docker.sock"

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to talk to this engine."""
        return {"DOCKER_HOST": self.host}

    @property
    def image(self) -> str:
        """The name of an image that holds busybox and its applets, 2 MB in all."""
        return "busybox:latest"

    def run(self, *arguments: str, check: bool = True, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
        """Runs a `docker` command against this engine."""
        done = subprocess.run(
            [self._docker, *arguments],
            input=stdin,
            capture_output=True,
            check=check,
            env={**os.environ, **self.environment},
            timeout=120,
        )
        return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())

    def start(self) -> None:
        """Starts the engine and returns when it answers."""
        argv = [*self._as_root, self._dockerd, "--host", self.host, "--group", str(os.getegid())]
        argv += ["--data-root", str(self.folder / "data"), "--exec-root", str(self.folder / "exec")]
        argv += ["--pidfile", str(self.folder / "pid"), "--config-file", str(self.folder / "daemon.json")]
        argv += ["--bridge", "none", "--iptables=false", "--ip6tables=false", "--ip-forward=false"]
        (self.folder / "daemon.json").write_text("{}\n")
        self.daemon = Daemon(argv, self.folder / "log")
        deadline = time.monotonic() + START_TIMEOUT
        while self.run("version", check=False).returncode != 0:
            if not self.daemon.alive() or time.monotonic() > deadline:
                raise UnavailableError("docker", f"the engine did not start: {self.daemon.tail().strip()}", REMEDY)
            time.sleep(0.1)

    def import_busybox(self) -> None:
        """Makes `image` out of this machine's busybox."""
        if not BUSYBOX.exists():
            raise UnavailableError("docker", f"there is no {BUSYBOX} to make an image of.", REMEDY)
        self.run("import", "--change", 'CMD ["/bin/sh"]', "-", self.image, stdin=busybox_archive())

    def remove_containers(self) -> None:
        """Ends and removes every container."""
        if containers := self.run("ps", "--all", "--quiet", check=False).stdout.split():
            self.run("rm", "--force", *containers, check=False)

    def stop(self) -> None:
        """Ends the engine, its containers and its mounts."""
        if self.daemon is None:
            return
        if self.daemon.alive():
            self.remove_containers()
            self._root("kill", "-TERM", (self.folder / "pid").read_text().strip())
        self.daemon.stop()
        self.daemon = None
        for mount in mounts_below(self.folder):
            self._root("umount", "--lazy", mount)
        self._root("rm", "-rf", "--one-file-system", str(self.folder / "data"), str(self.folder / "exec"))

    def _root(self, *argv: str) -> None:
        subprocess.run([*self._as_root, *argv], capture_output=True, check=False, timeout=60)


def busybox_archive() -> bytes:
    """The files of an image that holds this machine's busybox and its applets, as a tar archive."""
    applets = subprocess.run([str(BUSYBOX), "--list"], capture_output=True, text=True, check=True).stdout.split()
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for folder in ("bin", "dev", "etc", "proc", "sys", "tmp"):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if folder == "tmp" else 0o755
            tar.addfile(entry)
        tar.add(BUSYBOX.resolve(), "bin/busybox")
        for applet in set(applets) - {"busybox"}:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
        passwd = b"root:x:0:0:root:/:/bin/sh\n"
        entry = tarfile.TarInfo("etc/passwd")
        entry.size = len(passwd)
        tar.addfile(entry, io.BytesIO(passwd))
    return archive.getvalue()


def as_root() -> list[str]:
    """The words before a command that only root may run; none when we are root."""
    if os.geteuid() == 0:
        return []
    sudo = find_program("sudo")
    if sudo is None or subprocess.run([sudo, "-n", "true"], capture_output=True, check=False).returncode != 0:
        raise UnavailableError(
            "docker", "an engine can be started only by root, or by sudo without a password.", REMEDY
        )
    return [sudo, "-n"]


def program(name: str) -> str:
    """The path of one of Docker's programs."""
    found = find_program(name)
    if found is None:
        raise UnavailableError("docker", f"there is no {name} here.", REMEDY)
    return found


def mounts_below(folder: Path) -> list[str]:
    """The mount points inside a folder, deepest first."""
    table = Path("/proc/mounts")
    if not table.exists():
        return []
    points = [line.split()[1] for line in table.read_text().splitlines()]
    return sorted((point for point in points if point.startswith(f"{folder}/")), key=len, reverse=True)


@contextmanager
def running_docker() -> Iterator[DockerEngine]:
    """A running engine, with its image, that is stopped and removed afterwards."""
    with component_folder("docker") as folder:
        engine = DockerEngine(folder)
        try:
            engine.start()
            engine.import_busybox()
            yield engine
        finally:
            engine.stop()
