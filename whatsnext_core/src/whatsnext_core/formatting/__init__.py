"""How a job becomes a command on some engine, and how that is started, watched and stopped."""

from whatsnext_core.formatting.arguments import text_of, to_arguments
from whatsnext_core.formatting.base import Formatter
from whatsnext_core.formatting.contract import (
    Announcer,
    Engine,
    Execution,
    ExecutionState,
    Handle,
    Invocation,
    JobContext,
    LogFiles,
)
from whatsnext_core.formatting.environment import (
    artifacts_folder,
    job_environment,
    parameters_file,
    result_file,
    verdict_file,
)
from whatsnext_core.formatting.options import task_options
from whatsnext_core.formatting.template import fill_template, missing_parameters, placeholders
from whatsnext_core.formatting.variables import to_variables

__all__ = [
    "Announcer",
    "Engine",
    "Execution",
    "ExecutionState",
    "Formatter",
    "Handle",
    "Invocation",
    "JobContext",
    "LogFiles",
    "artifacts_folder",
    "fill_template",
    "job_environment",
    "missing_parameters",
    "parameters_file",
    "placeholders",
    "result_file",
    "task_options",
    "text_of",
    "to_arguments",
    "to_variables",
    "verdict_file",
]
