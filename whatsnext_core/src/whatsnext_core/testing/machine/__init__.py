"""A Hypothesis state machine that drives a storage and the model side by side."""

from whatsnext_core.testing.machine.machine import check_against_model, storage_machine

__all__ = ["check_against_model", "storage_machine"]
