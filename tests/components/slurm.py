"""A Slurm cluster of our own: several nodes on this one machine, with pretended GPUs.

It needs neither systemd nor cgroups. Each node is a `slurmd` with its own name and port; the GPUs are character devices
that nobody opens, which is all that Slurm needs to hand out device ids.
"""

import getpass
import os
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from tests.components.requirements import UnavailableError, component_folder
from tests.support import Daemon, find_program, free_ports
from whatsnext_core.formatting.family import all_processes

__all__ = ["SlurmCluster", "running_slurm"]

PROGRAMS = (
    "munged",
    "slurmctld",
    "slurmd",
    "sbatch",
    "squeue",
    "scancel",
    "sinfo",
    "scontrol",
    "srun",
    "sacct",
    "sacctmgr",
)
REMEDY = "Install it (Debian: apt-get install slurmctld slurmd slurm-client munge)."
START_TIMEOUT = 60.0
DRAIN_TIMEOUT = 15.0
NULL_DEVICE = os.makedev(1, 3)

CONFIGURATION = """\
ClusterName=whatsnext
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/sock
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
MailProg=/bin/true
MpiDefault=none
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
JobCompType=jobcomp/filetxt
JobCompLoc={folder}/jobcomp.log
ReturnToService=2
SlurmdTimeout=30
KillWait=2
MessageTimeout=5
SlurmdParameters=config_overrides
GresTypes=gpu
DefMemPerCPU=100
"""


def programs() -> dict[str, str]:
    """The paths of Slurm's programs."""
    found = {name: find_program(name) for name in PROGRAMS}
    missing = [name for name, path in found.items() if path is None]
    if missing:
        raise UnavailableError("slurm", f"there is no {', '.join(missing)} here.", REMEDY)
    return {name: path for name, path in found.items() if path is not None}


class SlurmCluster:
    """A controller and its nodes, `n1` to `n<nodes>`, in the partition `main`."""

    def __init__(
        self,
        folder: Path,
        *,
        nodes: int = 3,
        cpus: int = 8,
        memory_mib: int = 16_000,
        gpus: int = 4,
        settings: Mapping[str, str | int] | None = None,
        partitions: Sequence[str] = (),
    ) -> None:
        self.folder = folder
        self.cpus = cpus
        self.memory_mib = memory_mib
        self.gpus = gpus
        self.settings = settings or {}
        self.partitions = partitions
        self.nodes = [f"n{number}" for number in range(1, nodes + 1)]
        self.munge: Daemon | None = None
        self.controller: Daemon | None = None
        self.node_daemons: dict[str, Daemon] = {}
        self._programs = programs()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to talk to this cluster."""
        return {"SLURM_CONF": str(self.folder / "slurm.conf")}

    def run(
        self, program: str, *arguments: str, text: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Runs one of Slurm's commands against this cluster, with `text` on its standard input."""
        done = subprocess.run(
            [self._programs[program], *arguments],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **self.environment},
            cwd=self.folder / "work",
            timeout=60,
        )
        if check and done.returncode:
            raise RuntimeError(f"{shlex.join(done.args)} exited with {done.returncode}: {done.stderr.strip()}")
        return done

    def let_time_run_out(self, job: str) -> None:
        """Has a running job reach its time limit soon; an end before the controller reads of it would be refused."""
        self.run("scontrol", "update", f"JobId={job}", "EndTime=now+10")

    def configure(self) -> None:
        """Writes everything that the daemons read."""
        for name in ("munge", "state", "log", "work"):
            (self.folder / name).mkdir(mode=0o755)
        key = self.folder / "munge" / "key"
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(128))
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\n")
        (self.folder / "gres.conf").write_text(f"Name=gpu File={self._gpu_devices()}[0-{self.gpus - 1}]\n")
        controller_port, *node_ports = free_ports(1 + len(self.nodes))
        host = socket.gethostname().partition(".")[0]
        common = CONFIGURATION.format(host=host, port=controller_port, user=getpass.getuser(), folder=self.folder)
        settings = {**dict(line.split("=", 1) for line in common.splitlines()), **self.settings}
        text = "".join(f"{name}={value}\n" for name, value in settings.items())
        shape = f"Boards=1 SocketsPerBoard=1 CoresPerSocket={self.cpus} ThreadsPerCore=1 Gres=gpu:{self.gpus}"
        for name, port in zip(self.nodes, node_ports, strict=True):
            text += f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} CPUs={self.cpus} {shape}"
            text += f" RealMemory={self.memory_mib} State=UNKNOWN\n"
        text += "PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE DefaultTime=60 State=UP\n"
        text += "".join(f"PartitionName={partition} Nodes=ALL State=UP\n" for partition in self.partitions)
        (self.folder / "slurm.conf").write_text(text)

    def _gpu_devices(self) -> Path:
        """The common beginning of the paths of numbered character devices; Slurm reads ids only off such names."""
        try:
            for number in range(self.gpus):
                os.mknod(self.folder / f"gpu{number}", stat.S_IFCHR | 0o600, NULL_DEVICE)
        except PermissionError:
            return Path("/dev/tty")
        return self.folder / "gpu"

    def start(self) -> None:
        """Starts all daemons and returns when every node takes jobs."""
        self.start_munge()
        self.start_nodes()

    def start_munge(self) -> None:
        """Starts what the daemons prove to each other with who they are."""
        munge = self.folder / "munge"
        argv = [self._programs["munged"], "--foreground", "--force"]
        for option, name in {"key-file": "key", "socket": "sock", "pid-file": "pid", "seed-file": "seed"}.items():
            argv.append(f"--{option}={munge / name}")
        self.munge = Daemon(argv, self.folder / "log" / "munged.log")
        self._wait((munge / "sock").exists, self.munge, "munged did not start")

    def start_nodes(self) -> None:
        """Starts the controller and all nodes, and returns when every node takes jobs."""
        self.start_controller()
        for name in self.nodes:
            self.start_node(name)
        self._wait_for_nodes()

    def start_controller(self) -> None:
        """Starts the controller, with the state that an earlier one left."""
        argv = [self._programs["slurmctld"], "-D", "-f", self.environment["SLURM_CONF"]]
        self.controller = Daemon(argv, self.folder / "log" / "slurmctld.log")

    def forget_everything(self) -> None:
        """Starts the controller again without the state that it had: it knows no job, and gives their ids again."""
        if self.controller is not None:
            self.controller.stop()
        shutil.rmtree(self.folder / "state")
        (self.folder / "state").mkdir(mode=0o755)
        self.start_controller()
        self._wait_for_nodes()

    def start_node(self, name: str) -> None:
        """Starts the daemon of one node; jobs that it left running are found again."""
        argv = [self._programs["slurmd"], "-D", "-N", name, "-f", self.environment["SLURM_CONF"]]
        self.node_daemons[name] = Daemon(argv, self.folder / "log" / f"slurmd.{name}.log")

    def _wait_for_nodes(self) -> None:
        self._wait(lambda: self._usable_nodes() == len(self.nodes), self.controller, "the nodes did not come up")

    def _usable_nodes(self) -> int:
        listing = self.run("sinfo", "-h", "-N", "-p", "main", "-o", "%T", check=False).stdout.split()
        return sum(state in {"idle", "mixed", "allocated"} for state in listing)

    def _wait(self, condition: Callable[[], bool], daemon: Daemon | None, trouble: str) -> None:
        deadline = time.monotonic() + START_TIMEOUT
        while not condition():
            if daemon is None or not daemon.alive() or time.monotonic() > deadline:
                logs = sorted((self.folder / "log").glob("*.log"))
                tail = "\n".join(f"{log.name}: {log.read_text(errors='replace')[-1500:]}" for log in logs)
                raise UnavailableError("slurm", f"{trouble}:\n{tail}\n", REMEDY)
            time.sleep(0.05)

    def job(self, job_id: str) -> Mapping[str, str]:
        """What the controller knows of one job: the fields of `scontrol show job`."""
        shown = self.run("scontrol", "-o", "show", "job", job_id).stdout.split()
        return dict(field.split("=", 1) for field in shown if "=" in field)

    def cancel_all(self) -> None:
        """Cancels every job and waits until none is left."""
        if self.controller is None or not self.controller.alive():
            return
        deadline = time.monotonic() + DRAIN_TIMEOUT
        while jobs := self.run("squeue", "-h", "-o", "%A", check=False).stdout.split():
            if time.monotonic() > deadline:
                return
            self.run("scancel", *jobs, check=False)
            time.sleep(0.1)

    def stop(self) -> None:
        """Ends all jobs and daemons, and whatever a job left behind."""
        self.cancel_all()
        daemons = [*self.node_daemons.values(), self.controller, self.munge]
        for daemon in filter(None, daemons):
            if daemon.alive():
                daemon.process.send_signal(signal.SIGTERM)
        for daemon in filter(None, daemons):
            daemon.stop()
        for process in self._leftovers():
            with suppress(psutil.NoSuchProcess):
                process.kill()

    def _leftovers(self) -> list[psutil.Process]:
        """Processes of jobs that outlived their node; only they have our configuration in their environment."""
        found = []
        for process in all_processes():
            with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                environ = process.environ()
                if "SLURM_JOB_ID" in environ and environ.get("SLURM_CONF") == self.environment["SLURM_CONF"]:
                    found.append(process)
        return found


@contextmanager
def running_slurm(
    *,
    nodes: int = 3,
    cpus: int = 8,
    gpus: int = 4,
    settings: Mapping[str, str | int] | None = None,
    partitions: Sequence[str] = (),
) -> Iterator[SlurmCluster]:
    """A running cluster that is stopped and removed afterwards.

    `settings` stand beside or in place of the common ones, and each of `partitions` is a name with what it has.
    """
    with component_folder("slurm") as folder:
        cluster = SlurmCluster(folder, nodes=nodes, cpus=cpus, gpus=gpus, settings=settings, partitions=partitions)
        cluster.configure()
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()
