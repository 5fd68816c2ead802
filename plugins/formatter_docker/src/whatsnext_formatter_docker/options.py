"""What a container gets, and how that is written as options of ``docker run``."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import attrs
from attrs import evolve, field, frozen

from whatsnext_core.errors import InvalidError, TemplateError
from whatsnext_core.formatting import JobContext, task_options

RUNTIMES: Final = ("docker", "podman")
WAYS: Final = ("arguments", "environment")
OF_THE_WORKER: Final = frozenset({"runtime"})
"""Settings that are one for all jobs of a worker."""


def _one_of(*choices: str) -> Callable[[object, attrs.Attribute[Any], str], None]:
    def check(_: object, attribute: attrs.Attribute[Any], value: str) -> None:
        if value not in choices:
            raise InvalidError(f"{attribute.name} is {value!r}, and must be one of {', '.join(choices)}.")

    return check


@frozen(kw_only=True)
class DockerOptions:
    """The settings in ``[plugins.docker]``, from which a task's options for ``docker`` may differ."""

    image: str = ""
    """Image of the container; a task may name another one."""
    command: tuple[str, ...] = ()
    """Program and first arguments of a task without a template; empty for what the image runs by itself."""
    gpus: int | str | None = None
    """GPUs, as ``docker run`` takes them (``all``, ``2``, ``device=0,1``), where the worker deals out none."""
    cpus: float | None = None
    """CPUs that it may use, where its task asks for no number of them; None for all."""
    memory: str | None = None
    """Memory that it may use, where its task asks for none (``8g``); None for all."""
    volumes: tuple[str, ...] = ()
    """Folders and volumes that it sees: ``/data:/data:ro``."""
    env: Mapping[str, str] = field(factory=dict)
    """Environment variables; those of its task win."""
    user: str | None = None
    """User, and group after a colon, that it runs as; None for that of the image."""
    network: str | None = None
    """Network; None for the default one, ``none`` for no network."""
    entrypoint: str | None = None
    """Program that gets the command as arguments; None for that of the image."""
    read_only: bool = False
    """Whether its own file system cannot be written."""
    working_dir: str | None = None
    """Its working directory; None for that of the image."""
    shm_size: str | None = None
    """Size of ``/dev/shm`` (``8g``), which data loaders need; None for the default one."""
    init: bool = True
    """Whether a small init process passes on signals and takes care of orphans, which few commands do."""
    extra: tuple[str, ...] = ()
    """Further options of ``docker run``, each as one argument (``--ipc=host``)."""
    parameters: str = field(default="arguments", validator=_one_of(*WAYS))
    """How a program gets the parameters: ``arguments``, as ``--name value`` if its task has no template, or
    ``environment``, as variables ``NAME``."""
    runtime: str = field(default="docker", validator=_one_of(*RUNTIMES))
    """``docker`` or ``podman``."""

    def arguments(self) -> list[str]:
        """Return the options of ``docker run``."""
        chosen = {
            "cpus": self.cpus,
            "memory": self.memory,
            "user": self.user,
            "network": self.network,
            "entrypoint": self.entrypoint,
            "workdir": self.working_dir,
            "shm-size": self.shm_size,
        }
        found = [f"--{option}={value}" for option, value in chosen.items() if value is not None]
        found += self._gpus()
        found += [f"--volume={_from_here(volume)}" for volume in self.volumes]
        found += ["--init"] * self.init + ["--read-only"] * self.read_only
        return [*found, *self.extra]

    def for_job(self, context: JobContext) -> DockerOptions:
        """Return what a job gets: what its task requires before these defaults, and its task's own options before both.

        Raises:
            TemplateError: the options that the task has for ``docker`` are unknown or malformed, or there is no image.
        """
        options = task_options(
            evolve(self, **self._required(context)), context, "docker", fixed=OF_THE_WORKER, merged=("env",)
        )
        if not options.image:
            raise TemplateError(
                f"Task {context.task.name!r} has no image to run in; set one in its options for docker "
                f'({{"docker": {{"image": "python:3.12"}}}}), or for all tasks in the worker\'s settings.'
            )
        return options

    def _required(self, context: JobContext) -> dict[str, Any]:
        needs, devices = context.task.requirement, context.allocation.device_ids
        found: dict[str, Any] = {}
        if needs.cpu > 1:
            found["cpus"] = float(needs.cpu)
        if memory := context.allocation.memory or needs.memory:
            found["memory"] = f"{memory}b"
        if devices or context.devices_dealt_out:
            found["gpus"] = "device=" + ",".join(devices) if devices else None
        return found

    def _gpus(self) -> list[str]:
        if self.gpus is None:
            return []
        text = str(self.gpus)
        if self.runtime == "podman":
            names = text.removeprefix("device=").split(",") if "=" in text else gpu_names(text)
            return [f"--device=nvidia.com/gpu={name}" for name in names]
        return [f"--gpus={one_field(text)}"]


def _from_here(volume: str) -> str:
    """Return a volume whose folder is told by its whole path; one that begins with a name is the engine's own."""
    if volume.startswith("~"):
        return str(Path(volume).expanduser())
    if volume == "." or volume.startswith(("./", "../", ".:")):
        return f"{Path.cwd()}/{volume}"
    return volume


def gpu_names(text: str) -> list[str]:
    """Return the names by which podman knows a number of GPUs, or all of them."""
    return [str(number) for number in range(int(text))] if text.isdecimal() else [text]


def bind_mount(folder: Path) -> str:
    """Return the option that shows a folder under its own name in the container."""
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(["type=bind", f"source={folder}", f"target={folder}"])
    return f"--mount={line.getvalue()}"


def one_field(text: str) -> str:
    """Return a text as one field of the comma-separated values that Docker reads."""
    return f'"{text}"' if "," in text else text
