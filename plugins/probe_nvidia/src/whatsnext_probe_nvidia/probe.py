"""The probe of NVIDIA GPUs."""

from __future__ import annotations

import logging
import os

from whatsnext_core.probing import Measurement
from whatsnext_probe_nvidia import driver
from whatsnext_probe_nvidia.cards import measurement
from whatsnext_probe_nvidia.options import NvidiaOptions

_log = logging.getLogger(__name__)

VARIABLE = "CUDA_VISIBLE_DEVICES"


class NvidiaProbe:
    """Reports the GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` says, each by its UUID.

    Without that variable these are all, but none in an allocation of Slurm, which sets it for those that it gives.

    A GPU that is divided by MIG is reported as its instances. One on which others compute is not free. On a machine
    without NVIDIA's driver it reports nothing.

    Args:
        options: The settings; None for the defaults.
    """

    def __init__(self, options: NvidiaOptions | None = None) -> None:
        self._options = options or NvidiaOptions()
        self._told: set[str] = set()

    def measure(self) -> Measurement:
        """Return the GPUs.

        Raises:
            NvmlError: the driver answers with an error.
        """
        if not driver.is_installed():
            return Measurement()
        from whatsnext_probe_nvidia.nvml import read_cards

        cards = read_cards(self._complain)
        if cards is None:
            return Measurement()
        visible = os.environ.get(VARIABLE)
        if visible is None and "SLURM_JOB_ID" in os.environ:
            visible = ""
        return measurement(cards, visible, share_with_others=self._options.share_with_others)

    def _complain(self, words: str) -> None:
        if words not in self._told:
            self._told.add(words)
            _log.warning("%s", words)
