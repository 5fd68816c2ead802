"""The formatter that runs jobs on a Kubernetes cluster."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from attrs import evolve

from whatsnext_core.errors import EngineError
from whatsnext_core.formatting import (
    Execution,
    ExecutionState,
    Formatter,
    Handle,
    Invocation,
    JobContext,
    LogFiles,
    job_environment,
    parameters_file,
    to_arguments,
)
from whatsnext_core.formatting.environment import parameters_json
from whatsnext_core.formatting.output import CONNECTED, Output
from whatsnext_core.model import Cause
from whatsnext_formatter_kubernetes.ending import Endings
from whatsnext_formatter_kubernetes.kubectl import AwayError, Kubectl
from whatsnext_formatter_kubernetes.manifest import job_manifest, job_name, worker_label
from whatsnext_formatter_kubernetes.options import KubernetesOptions
from whatsnext_formatter_kubernetes.states import Document, began, judge, stuck
from whatsnext_formatter_kubernetes.watch import Watch

ORDER: Final = "kubernetes.json"
"""Name of the file, in the attempt's directory, with the manifest."""
CREATED: Final = "kubernetes.created"
"""Name of the file that is there when the cluster has taken the job."""


class KubernetesFormatter(Formatter):
    """Runs each job as a batch/v1 Job of Kubernetes with one pod, through the program ``kubectl``.

    A job is completed when its command has succeeded, not when the cluster took it. While the cluster does not answer,
    nothing is lost: jobs go on, and new ones wait. Both streams of a job come in one, that of its standard output.

    What a task requires (CPUs, accelerators, memory, time limit) overrides these defaults, and its options for
    ``kubernetes`` override both: ``{"kubernetes": {"image": "python:3.12"}}``.

    Args:
        image: Image of the container.
        namespace: Namespace in which jobs are created.
        cpu: CPUs, both the request and the limit.
        memory: Memory, both the request and the limit (``4Gi``).
        gpu: GPUs.
        working_dir: Working directory in the container; None for the image's own.
        environment: Variables for every job.
        service_account: Service account of the pods.
        node_selector: Labels that the nodes must have.
        context: Context of the kubectl configuration; None for the current one.
        options: Further settings, those of ``KubernetesOptions``.
    """

    def __init__(
        self,
        image: str,
        namespace: str = "default",
        cpu: float = 1,
        memory: str = "4Gi",
        gpu: int = 0,
        working_dir: str | None = None,
        environment: Mapping[str, str] | None = None,
        service_account: str | None = None,
        node_selector: Mapping[str, str] | None = None,
        context: str | None = None,
        **options: Any,
    ) -> None:
        self.options = KubernetesOptions(
            image=image,
            namespace=namespace,
            cpu=cpu,
            memory=memory,
            gpu=gpu,
            working_dir=working_dir,
            environment=environment or {},
            service_account=service_account,
            node_selector=node_selector or {},
            context=context,
            **options,
        )
        self._kubectl = Kubectl(namespace=namespace, context=context)
        self._watch = Watch(self._kubectl, self.options.poll_interval)
        self._endings = Endings(self._kubectl, self._watch)
        self._output = Output()
        self._created_at: dict[str, float] = {}
        """When a job was created here, by the monotonic clock."""
        self._last: dict[str, tuple[Document | None, Document | None]] = {}
        """What was last seen of a job and its pod."""
        self._stuck_since: dict[str, float] = {}
        self._ended: dict[str, Execution] = {}

    # -- what is run ---------------------------------------------------------------------------------------------------

    def format(self, task: str, parameters: Mapping[str, Any]) -> list[str]:
        """Return the call of ``kubectl create job`` that runs the task once, as a person could type it.

        That call has no words for resources, variables and the like. A worker sends these too, in a manifest.
        """
        name = re.sub(r"[^a-z0-9]+", "-", task.lower()).strip("-")[:50] or "job"
        words = [task, *to_arguments(parameters)]
        return self._kubectl.argv("create", "job", name, f"--image={self.options.image}", "--", *words)

    def command(self, context: JobContext) -> list[str]:
        """Return the command in the container: the task's template filled, or the task's name with the parameters."""
        if context.task.command_template and not context.task.command_template.isspace():
            return super().command(context)
        return [context.task.name, *to_arguments(context.job.parameters)]

    def prepare(self, context: JobContext) -> Invocation:
        """Return the call of ``kubectl create``, and the manifest that it reads."""
        options = self.options.for_job(context)
        directory = context.directory
        without_devices = evolve(context, allocation=evolve(context.allocation, devices=()), devices_dealt_out=False)
        environment = {**options.environment, **context.task.environment, **job_environment(without_devices)}
        manifest = job_manifest(context, options, self.command(context), environment)
        text = json.dumps(manifest, ensure_ascii=False).encode(errors="surrogateescape")
        return Invocation(
            key=context.key,
            argv=tuple(self._kubectl.argv("create", "-f", "-")),
            stdin=text,
            files={parameters_file(context): parameters_json(context), directory / ORDER: text},
            stdout=directory / "stdout.log",
            stderr=directory / "stderr.log",
            options={"name": job_name(context), "worker": worker_label(context.client_id)},
        )

    # -- how it is run -------------------------------------------------------------------------------------------------

    def start(self, invocation: Invocation) -> Handle:
        """Create the job; EngineError, with Kubernetes' words, if it is refused."""
        for path, content in invocation.files.items():
            path.touch(mode=0o600)
            path.write_bytes(content)
        handle = {
            "engine": "kubernetes",
            "name": invocation.options["name"],
            "worker": invocation.options["worker"],
            "namespace": self.options.namespace,
            "context": self.options.context,
            "directory": str(invocation.stdout.parent),
            "stdout": str(invocation.stdout),
            "stderr": str(invocation.stderr),
        }
        self._create(handle)
        return handle

    def poll(self, handles: Mapping[str, Handle]) -> Mapping[str, Execution]:
        """Return how the jobs stand, by one question to the cluster for all of them."""
        self._endings.press()
        self._endings.sweep()
        self._watch.refresh({handle["worker"] for handle in handles.values() if handle["name"] not in self._ended})
        return {key: self._state(handle) for key, handle in handles.items()}

    def cancel(self, handle: Handle, signal: str = "SIGTERM", grace: float = 30.0) -> None:
        """Delete the job, whose program gets SIGTERM, and SIGKILL after ``grace`` seconds, rounded up.

        Another signal is sent by the program ``kill`` of the image; without one, SIGTERM it is.
        """
        name = handle["name"]
        if name in self._ended:
            return
        self._watch.refresh({handle["worker"]}, urgent=name not in self._last)
        if self._state(handle).state is not ExecutionState.ENDED:
            pod = self._last.get(name, (None, None))[1]
            self._endings.end(name, _pod_name(pod), signal, grace, CONNECTED if self._output.connects(name) else 0)

    def kill(self, handle: Handle) -> None:
        """Delete the job, whose program gets SIGKILL after one second, the least that keeps the node in the know."""
        self.cancel(handle, grace=0)

    def logs(self, handle: Handle) -> LogFiles:
        """Return where the output of the job is copied to, as it comes."""
        if handle["name"] not in self._ended:
            self._watch.refresh({handle["worker"]})
            self._state(handle)
        return super().logs(handle)

    def adopt(self, handle: Handle) -> bool:
        """Return whether the cluster knows the job, or did not take it yet, or cannot be asked now."""
        place = (self.options.namespace, self.options.context)
        if handle.get("engine") != "kubernetes" or (handle["namespace"], handle["context"]) != place:
            return False
        self._watch.refresh({handle["worker"]}, urgent=True)
        known = handle["name"] in self._watch.jobs or handle["name"] in self._watch.pods
        if known:
            self._state(handle)  # its output is read from now on
        return known or bool(self._watch.trouble) or not _file(handle, CREATED).exists()

    def forget(self, handle: Handle) -> None:
        """Remove the job from the cluster, soon."""
        name = handle["name"]
        self._output.forget(name)
        self._endings.forget(name)
        for known in (self._created_at, self._last, self._stuck_since, self._ended):
            known.pop(name, None)

    def close(self) -> None:
        """End the copies of output, and remove what was forgotten; jobs that run go on."""
        self._output.close()
        self._endings.sweep()

    def _create(self, handle: Handle) -> None:
        """Create the job if the cluster answers; the name makes sure that it is created once."""
        if self._watch.away:
            return
        try:
            self._kubectl.create(_file(handle, ORDER).read_bytes())
        except AwayError as error:
            self._watch.blame(str(error))
            return
        _file(handle, CREATED).touch()
        self._created_at[handle["name"]] = time.monotonic()

    def _state(self, handle: Handle) -> Execution:
        name = handle["name"]
        if name not in self._ended:
            execution = self._look(handle)
            if execution.state is not ExecutionState.ENDED:
                return execution
            self._ended[name] = execution
        return self._ended[name]

    def _look(self, handle: Handle) -> Execution:
        name = handle["name"]
        if not _file(handle, CREATED).exists():
            return self._hand_over(handle)
        if self._watch.trouble:
            return Execution(
                state=ExecutionState.UNKNOWN, message=f"Kubernetes does not answer: {self._watch.trouble}."
            )
        if self._created_at.get(name, -float("inf")) >= self._watch.asked_at:
            return Execution(state=ExecutionState.WAITING)
        job, pod = self._watch.jobs.get(name), self._watch.pods.get(name)
        was = self._last.get(name, (None, None))
        self._last[name] = (job or was[0], pod or was[1])
        if job is None and pod is None:
            return self._gone(handle, was[1])
        execution = judge(job, pod or was[1])
        if execution.state is ExecutionState.ENDED:
            return self._with_output(handle, pod or was[1], self._named(name, execution))
        if execution.state is ExecutionState.RUNNING and self.options.follow_logs:
            self._output.follow(name, self._kubectl.logs(_pod_name(pod), follow=True), Path(handle["stdout"]))
        return self._patient(name, execution, pod)

    def _hand_over(self, handle: Handle) -> Execution:
        if self._endings.wanted(handle["name"]):
            words = "It was cancelled before Kubernetes had taken it."
            return Execution(state=ExecutionState.ENDED, cause=Cause.CANCELLED, message=words)
        try:
            self._create(handle)
        except EngineError as error:
            return Execution(state=ExecutionState.ENDED, cause=Cause.ENGINE, message=str(error))
        words = f"Waits to be handed over to Kubernetes: {self._watch.trouble}." if self._watch.trouble else ""
        return Execution(state=ExecutionState.WAITING, message=words)

    def _gone(self, handle: Handle, pod: Document | None) -> Execution:
        """How a job stands whose job and pod were deleted: by this worker, or by somebody else."""
        ours = self._endings.wanted(handle["name"])
        words = "It was cancelled, and has gone from the cluster." if ours else "Somebody deleted it on the cluster."
        ended = Execution(state=ExecutionState.ENDED, cause=Cause.CANCELLED, message=words)
        return self._with_output(handle, pod, ended)

    def _named(self, name: str, execution: Execution) -> Execution:
        """The end of a job that was cancelled here says so, unless its program had its say."""
        if self._endings.wanted(name) and execution.cause is Cause.LOST:
            return evolve(execution, cause=Cause.CANCELLED, message="It was cancelled.")
        return execution

    def _with_output(self, handle: Handle, pod: Document | None, execution: Execution) -> Execution:
        """The end of a job, once all its output is there."""
        if pod is None or not began(pod):
            return execution
        call = self._kubectl.logs(_pod_name(pod), follow=False)
        complete = self._output.complete(handle["name"], call, Path(handle["stdout"]))
        return execution if complete else Execution(state=ExecutionState.RUNNING)

    def _patient(self, name: str, execution: Execution, pod: Document | None) -> Execution:
        """How a job stands whose container may never start: after some time it is refused."""
        reason = stuck(pod)
        if not reason:
            self._stuck_since.pop(name, None)
            return execution
        since = self._stuck_since.setdefault(name, time.monotonic())
        if time.monotonic() - since < self.options.start_patience:
            return execution
        self._endings.end(name, "", "SIGKILL", 0)
        words = f"Its container did not start within {self.options.start_patience:g} seconds: {reason}"
        return Execution(state=ExecutionState.ENDED, cause=Cause.ENGINE, message=words)


def _pod_name(pod: Document | None) -> str:
    return str(pod["metadata"]["name"]) if pod else ""


def _file(handle: Handle, name: str) -> Path:
    return Path(handle["directory"]) / name
