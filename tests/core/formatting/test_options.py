"""What a task asks of a formatter in particular."""

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve, field, frozen

from whatsnext_core.errors import TemplateError
from whatsnext_core.formatting import JobContext, task_options


@frozen(kw_only=True)
class Settings:
    """Those of a formatter."""

    image: str = "python"
    env: Mapping[str, str] = field(factory=dict)
    runtime: str = "docker"


def chosen(context: JobContext, options: Any) -> Settings:
    asking = evolve(context, task=evolve(context.task, options={"docker": options}))
    return task_options(Settings(env={"A": "1", "B": "1"}), asking, "docker", fixed={"runtime"}, merged=("env",))


def test_task_without_options_gets_the_settings(context: JobContext) -> None:
    settings = Settings(image="busybox")
    assert task_options(settings, context, "docker", merged=("env",)) == settings


def test_tasks_options_come_first_and_objects_are_merged(context: JobContext) -> None:
    assert chosen(context, {"image": "other"}) == Settings(image="other", env={"A": "1", "B": "1"})
    assert chosen(context, {"env": {"B": "2", "C": "3"}}).env == {"A": "1", "B": "2", "C": "3"}


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("python", "options for docker of task '.*' are 'python', and no object"),
        ({"imgae": "x"}, "unknown key 'imgae'; known are env, image"),
        ({"image": 5}, "image.*5"),
        ({"env": ["A"]}, "env"),
        ({"runtime": "podman"}, "set 'runtime', which is one for all jobs of a worker"),
    ],
)
def test_wrong_options_are_named(context: JobContext, options: Any, complaint: str) -> None:
    with pytest.raises(TemplateError, match=complaint):
        chosen(context, options)
