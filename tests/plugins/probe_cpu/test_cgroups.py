"""Limits of control groups, as systems and containers of all kinds write them."""

from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from whatsnext_probe_cpu import CpuProbe
from whatsnext_probe_cpu.cgroups import Limits, read_limits

UNLIMITED = "9223372036854771712"
V2 = "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1_CPU = "31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:5 - cgroup cgroup rw,cpu,cpuacct"
V1_MEMORY = "32 30 0:28 / /sys/fs/cgroup/memory rw shared:6 - cgroup cgroup rw,memory"
OTHER = "22 1 8:1 / / rw - ext4 /dev/sda1 rw"
G = 2**30

SYSTEMS: list[tuple[str, str, list[str], dict[str, str], Limits]] = [
    ("no groups", "", [OTHER], {}, Limits()),
    ("v2, no limits", "0::/", [OTHER, V2], {}, Limits()),
    (
        "v2, limits",
        "0::/user.slice/worker",
        [OTHER, V2],
        {"user.slice/worker/cpu.max": "150000 100000\n", "user.slice/worker/memory.max": f"{4 * G}\n"},
        Limits(cpu=1.5, memory=4 * G),
    ),
    (
        "v2, the group above is tighter",
        "0::/slurm/job/step",
        [V2],
        {
            "slurm/job/cpu.max": "200000 100000",
            "slurm/job/step/cpu.max": "max 100000",
            "slurm/memory.max": f"{2 * G}",
            "slurm/job/step/memory.max": f"{8 * G}",
        },
        Limits(cpu=2.0, memory=2 * G),
    ),
    (
        "v2, a container that sees its own group as the root",
        "0::/",
        [V2],
        {"cpu.max": "400000 100000", "memory.max": f"{G}"},
        Limits(cpu=4.0, memory=G),
    ),
    (
        "v2, a container whose path is told as the host sees it",
        "0::/docker/abc",
        [V2.replace(" / /sys", " /docker/abc /sys")],
        {"cpu.max": "50000 100000", "memory.max": "max"},
        Limits(cpu=0.5),
    ),
    (
        "v2, a group that cannot be seen from here",
        "0::/../elsewhere",
        [V2],
        {"cpu.max": "50000 100000"},
        Limits(cpu=0.5),
    ),
    (
        "v1, limits",
        "5:memory:/batch\n4:cpu,cpuacct:/batch\n1:name=systemd:/batch\n",
        [OTHER, V1_CPU, V1_MEMORY],
        {
            "cpu,cpuacct/batch/cpu.cfs_quota_us": "300000",
            "cpu,cpuacct/batch/cpu.cfs_period_us": "100000",
            "memory/batch/memory.limit_in_bytes": f"{3 * G}",
            "memory/memory.limit_in_bytes": UNLIMITED,
        },
        Limits(cpu=3.0, memory=3 * G),
    ),
    (
        "v1, no limits",
        "5:memory:/\n4:cpu,cpuacct:/",
        [V1_CPU, V1_MEMORY],
        {
            "cpu,cpuacct/cpu.cfs_quota_us": "-1",
            "cpu,cpuacct/cpu.cfs_period_us": "100000",
            "memory/memory.limit_in_bytes": UNLIMITED,
        },
        Limits(),
    ),
    (
        "both at once",
        "4:memory:/batch\n0::/",
        [V1_MEMORY, V2],
        {"memory/batch/memory.limit_in_bytes": f"{G}", "cpu.max": "max 100000"},
        Limits(memory=G),
    ),
    (
        "mounted on a folder with a blank",
        "0::/",
        [V2.replace("/sys/fs/cgroup", "/sys/fs/c\\040group")],
        {"../c group/memory.max": f"{G}"},
        Limits(memory=G),
    ),
]


def write_system(root: Path, groups: str, mounts: list[str], files: Mapping[str, str]) -> None:
    """Lays out the files that tell of control groups below another root."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    (root / "proc/self/mountinfo").write_text("\n".join(mounts) + "\n")
    base = root / "sys/fs/cgroup"
    base.mkdir(parents=True)
    for name, text in files.items():
        (base / name).parent.mkdir(parents=True, exist_ok=True)
        (base / name).write_text(text)


@pytest.mark.parametrize(
    ("groups", "mounts", "files", "expected"), [row[1:] for row in SYSTEMS], ids=[row[0] for row in SYSTEMS]
)
def test_tightest_limit_counts(
    tmp_path: Path, groups: str, mounts: list[str], files: Mapping[str, str], expected: Limits
) -> None:
    write_system(tmp_path, groups, mounts, files)
    assert read_limits(tmp_path) == expected


def test_system_without_control_groups_has_no_limits(tmp_path: Path) -> None:
    assert read_limits(tmp_path) == Limits()


def test_limits_are_what_a_worker_offers(tmp_path: Path) -> None:
    write_system(tmp_path, "0::/", [V2], {"cpu.max": "50000 100000", "memory.max": f"{G // 4}"})
    found = CpuProbe(tmp_path).measure()
    assert (found.cpu, found.memory) == (1, G // 4)


def test_worker_offers_no_more_than_there_is(tmp_path: Path) -> None:
    write_system(tmp_path, "0::/", [V2], {"cpu.max": "6400000 100000", "memory.max": f"{2**50}"})
    found = CpuProbe(tmp_path).measure()
    assert found.cpu == len(psutil.Process().cpu_affinity() or [])
    assert found.memory == psutil.virtual_memory().total
    assert any(label.startswith("os=") for label in found.labels)
