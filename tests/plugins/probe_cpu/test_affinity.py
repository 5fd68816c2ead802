"""A worker that may use some CPUs only offers these."""

import os
import subprocess
import sys

from whatsnext_core.hookspecs import ProbePlugin
from whatsnext_core.plugins import load_plugins


def test_affinity_is_heeded() -> None:
    one = min(os.sched_getaffinity(0))
    code = f"""
import os
os.sched_setaffinity(0, {{{one}}})
from whatsnext_probe_cpu import CpuProbe
found = CpuProbe().measure()
print(found.cpu, found.cpu_ids)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"1 ({one},)\n"


def test_probe_is_found_by_its_entry_point() -> None:
    provided = load_plugins().probes()["cpu"]
    assert isinstance(provided.descriptor, ProbePlugin)
    assert provided.descriptor.factory(None).measure().cpu
