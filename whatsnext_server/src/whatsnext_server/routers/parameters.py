"""The parameters that several endpoints take."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path, Query

from whatsnext_core.model import limits

ProjectId = Annotated[int, Path(ge=1, le=limits.MAX_ID, description="Id of the project.", examples=[1])]
TaskId = Annotated[int, Path(ge=1, le=limits.MAX_ID, description="Id of the task.", examples=[1])]
JobId = Annotated[int, Path(ge=1, le=limits.MAX_ID, description="Id of the job.", examples=[1])]
ClientId = Annotated[
    str, Path(pattern=f"^{limits.CLIENT_ID.pattern}$", description="Id of the client.", examples=["worker-1"])
]
ProjectName = Annotated[
    str, Path(description="Name of the project, exactly; it may contain slashes.", examples=["digits"])
]
TaskName = Annotated[str, Path(description="Name of the task, exactly; it may contain slashes.", examples=["train"])]
Limit = Annotated[int, Query(ge=0, le=10_000, description="The most items of the answer.")]
Skip = Annotated[int, Query(ge=0, le=limits.MAX_ID, description="How many items to leave out at the beginning.")]
QueryId = Annotated[int, Query(ge=1, le=limits.MAX_ID)]

__all__ = ["ClientId", "JobId", "Limit", "ProjectId", "ProjectName", "QueryId", "Skip", "TaskId", "TaskName"]
