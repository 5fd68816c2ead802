"""How a job becomes a command on some engine, and how that is started, watched and stopped."""

from whatsnext_core.formatting.contract import (
    Engine,
    Execution,
    ExecutionState,
    Handle,
    Invocation,
    JobContext,
    LogFiles,
)

__all__ = ["Engine", "Execution", "ExecutionState", "Handle", "Invocation", "JobContext", "LogFiles"]
