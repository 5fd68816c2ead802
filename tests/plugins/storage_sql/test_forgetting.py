"""A step of forgetting takes as long as what it forgets, however much has ended."""

from datetime import timedelta

from tests.plugins.storage_sql.spying import spying
from whatsnext_core.storage import Storage
from whatsnext_core.testing.storage import Story

TABLES = ("job", "listing", "edge", "attempt", "event", "gone", "submission")


def test_what_is_forgotten_is_found_by_keys_alone(storage: Storage) -> None:
    story = Story(storage)
    story.cancel(*story.jobs(story.task(), 50))
    with spying() as spy:
        assert story.write(lambda writer: writer.prune(story.now + timedelta(days=1), 5)) == 5
    assert len([statement for statement in spy.plans if "submission" in statement and "JOIN job" in statement]) == 1
    assert [(statement, line) for statement, line in spy.scans(*TABLES) if "JOIN job" in statement] == []
