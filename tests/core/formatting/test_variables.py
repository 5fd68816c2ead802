"""Parameters become environment variables."""

from typing import Any

import pytest

from whatsnext_core.errors import TemplateError
from whatsnext_core.formatting import to_variables


def test_names_are_in_upper_case_and_values_as_written_or_json() -> None:
    parameters = {
        "lr": 0.1,
        "batch-size": 64,
        "name": "it's",
        "deep": {"a": [1]},
        "none": None,
        "flag": True,
        "2nd": "",
    }
    assert to_variables(parameters) == {
        "LR": "0.1",
        "BATCH_SIZE": "64",
        "NAME": "it's",
        "DEEP": '{"a":[1]}',
        "FLAG": "true",
        "_2ND": "",
    }


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"a-b": 1, "A_b": 2}, "'a-b' and 'A_b' are both the environment variable A_B"),
        ({"--": 1}, "'--' makes no name"),
        ({"": 1}, "'' makes no name"),
    ],
)
def test_parameters_that_make_no_variable_of_their_own_are_refused(parameters: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TemplateError, match=complaint):
        to_variables(parameters)
