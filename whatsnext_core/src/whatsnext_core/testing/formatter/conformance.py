"""All scenarios together."""

from __future__ import annotations

from whatsnext_core.testing.formatter.ending import EndingScenarios
from whatsnext_core.testing.formatter.preparing import PreparationScenarios
from whatsnext_core.testing.formatter.recovering import RecoveryScenarios
from whatsnext_core.testing.formatter.running import RunningScenarios


class FormatterConformance(PreparationScenarios, RunningScenarios, EndingScenarios, RecoveryScenarios):
    """What every formatter does, scenario by scenario.

    An author's whole test file is a subclass with one fixture, more if the engine needs them::

        class TestNiceFormatter(FormatterConformance):
            @pytest.fixture
            def make_formatter(self):
                return NiceFormatter

    The scenarios run real jobs on the real engine, by tasks whose command template is a script of the POSIX shell, so
    there has to be ``sh``, ``cat``, ``sleep``, ``printf`` where they run. What an engine cannot do, it declares:
    ``reads_stdin``, ``sets_variables``, ``shows_output_early``, ``adopts``, ``keeps_streams_apart``,
    ``sends_any_signal``, ``ends_detached``. Each scenario has a number.
    """
