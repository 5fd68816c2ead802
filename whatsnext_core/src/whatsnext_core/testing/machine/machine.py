"""The machine, put together for a storage."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import hypothesis
from hypothesis import HealthCheck
from hypothesis.stateful import run_state_machine_as_test

from whatsnext_core.storage import Storage
from whatsnext_core.testing.machine.base import SideBySide
from whatsnext_core.testing.machine.files import FileRules
from whatsnext_core.testing.machine.rules import ClientRules, JobRules, PeopleRules

Fresh = Callable[[], AbstractContextManager[Storage]]

SETTINGS = hypothesis.settings(
    max_examples=30,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)
"""What ``check_against_model`` uses if nothing else is said."""


class StorageMachine(PeopleRules, JobRules, ClientRules, FileRules):
    """All rules together."""


def storage_machine(fresh: Fresh) -> type[SideBySide]:
    """Return a state machine that holds the storages that ``fresh`` opens against the model.

    ``fresh`` is called for each example and gives a context: an empty storage, whose ids of projects, tasks and jobs
    begin at 1 and ascend by 1. A call that is refused spends none.
    """
    return type("StorageMachine", (StorageMachine,), {"fresh": staticmethod(fresh)})


def check_against_model(fresh: Fresh, settings: hypothesis.settings = SETTINGS) -> None:
    """Run the machine as a test: after every step both storages must show the same."""
    run_state_machine_as_test(storage_machine(fresh), settings=settings)
