"""The plugin module that the `probe-slurm` entry point names."""

from __future__ import annotations

from collections.abc import Iterable

from whatsnext_core.hookspecs import ProbePlugin, hookimpl
from whatsnext_probe_slurm.probe import SlurmProbe


@hookimpl
def whatsnext_resource_probes() -> Iterable[ProbePlugin]:
    """Return the probe of this package."""
    summary = "what an allocation of Slurm gives, and when it ends"
    return [ProbePlugin(name="slurm-allocation", summary=summary, factory=lambda _: SlurmProbe())]
