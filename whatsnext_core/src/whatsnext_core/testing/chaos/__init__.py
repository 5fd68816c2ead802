"""The chaos kit: real processes, killed at random times, and the proof that nothing was lost and nothing counted twice.

Nothing in here knows a server or a worker: it starts what it is told to start, speaks the documented REST interface,
and reads what the jobs themselves wrote into a file.
"""

from whatsnext_core.testing.chaos.conformance import ChaosConformance
from whatsnext_core.testing.chaos.evidence import Evidence
from whatsnext_core.testing.chaos.installation import Database, Installation
from whatsnext_core.testing.chaos.judging import PROMISES, Breach, judge
from whatsnext_core.testing.chaos.run import Report, run_chaos

__all__ = [
    "PROMISES",
    "Breach",
    "ChaosConformance",
    "Database",
    "Evidence",
    "Installation",
    "Report",
    "judge",
    "run_chaos",
]
