"""Why a job stands where it stands: facts in, reasons out. Pure; the facts are gathered by the server.

The reasons of one job are told the weightiest first: what keeps it from ever starting, then what it waits for, then
what else there is to know.
"""

from whatsnext_core.explaining.explain import explain
from whatsnext_core.explaining.facts import Chain, Facts, follow
from whatsnext_core.explaining.fleet import Wishes, survey
from whatsnext_core.explaining.reasons import Estimate, Explanation, Reason, ReasonCode, Sample

__all__ = [
    "Chain",
    "Estimate",
    "Explanation",
    "Facts",
    "Reason",
    "ReasonCode",
    "Sample",
    "Wishes",
    "explain",
    "follow",
    "survey",
]
