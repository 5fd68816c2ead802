"""All scenarios together."""

from __future__ import annotations

from whatsnext_core.testing.storage.artifacts import ArtifactScenarios
from whatsnext_core.testing.storage.attempts import AttemptScenarios
from whatsnext_core.testing.storage.changing import ChangeScenarios
from whatsnext_core.testing.storage.claiming import ClaimScenarios
from whatsnext_core.testing.storage.following import FollowingScenarios
from whatsnext_core.testing.storage.graph import GraphScenarios
from whatsnext_core.testing.storage.housekeeping import HousekeepingScenarios
from whatsnext_core.testing.storage.looking import LookingScenarios
from whatsnext_core.testing.storage.losses import LossScenarios
from whatsnext_core.testing.storage.projects import ProjectScenarios
from whatsnext_core.testing.storage.reading import ReadingScenarios
from whatsnext_core.testing.storage.results import ResultScenarios
from whatsnext_core.testing.storage.stopping import StoppingScenarios
from whatsnext_core.testing.storage.submitting import SubmissionScenarios


class StorageConformance(
    ProjectScenarios,
    SubmissionScenarios,
    GraphScenarios,
    ClaimScenarios,
    AttemptScenarios,
    LossScenarios,
    ChangeScenarios,
    ReadingScenarios,
    ResultScenarios,
    StoppingScenarios,
    FollowingScenarios,
    ArtifactScenarios,
    LookingScenarios,
    HousekeepingScenarios,
):
    """What every storage backend does, scenario by scenario.

    An author's whole test file is a subclass with one fixture, two if the backend keeps anything::

        class TestLmdbStorage(StorageConformance):
            @pytest.fixture
            def storage(self, tmp_path):
                storage = LmdbStorage(tmp_path)
                yield storage
                storage.close()

            @pytest.fixture
            def reopen(self, storage, tmp_path):
                def reopen():
                    storage.close()
                    return LmdbStorage(tmp_path)

                return reopen

    Each scenario has a number and names the method or rule that it holds a backend to. Each begins with an empty
    storage, and some use several threads.
    """
