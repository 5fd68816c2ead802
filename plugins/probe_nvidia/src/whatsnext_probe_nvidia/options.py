"""The settings of the probe."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class NvidiaOptions:
    """The settings in ``[plugins.nvidia]``."""

    share_with_others: bool = False
    """Whether GPUs are offered on which others compute; a desktop that only draws on one never counts."""
