"""What a job becomes for Kubernetes, held strictly to the published schemas of its API."""

import json
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.plugins.formatter_slurm.contexts import claimed
from whatsnext_core.errors import InvalidError, TemplateError
from whatsnext_core.model import Requirement
from whatsnext_formatter_kubernetes import KubernetesFormatter

VERSIONS = ("1.27", "1.33", kubernetes_validate.latest_version())


def manifest(formatter: KubernetesFormatter, folder: Path, *arguments: Any, **context: Any) -> dict[str, Any]:
    made: dict[str, Any] = json.loads(formatter.prepare(claimed(folder, *arguments, **context)).stdin)
    return made


@pytest.mark.parametrize("version", VERSIONS)
def test_every_setting_makes_a_manifest_that_the_schemas_allow(tmp_path: Path, version: str) -> None:
    formatter = KubernetesFormatter(
        "python:3.12",
        namespace="research",
        gpu=2,
        working_dir="/work",
        environment={"A": "b"},
        service_account="runner",
        node_selector={"pool": "gpu"},
        volumes=("data:/data", "/scratch:/scratch:ro"),
        pod_spec={"tolerations": [{"operator": "Exists"}]},
    )
    made = manifest(formatter, tmp_path, "python train.py {lr}", {"lr": 0.1}, timeout=60.0, environment={"B": "$(A)"})
    kubernetes_validate.validate(made, version, strict=True)
    assert made["spec"]["activeDeadlineSeconds"] == 150


def test_schemas_refuse_what_is_wrong(tmp_path: Path) -> None:
    made = manifest(KubernetesFormatter("busybox"), tmp_path, "true")
    made["spec"]["backOffLimit"] = made["spec"].pop("backoffLimit")
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(made, VERSIONS[-1], strict=True)


def test_pod_is_started_once_and_labelled(tmp_path: Path) -> None:
    made = manifest(KubernetesFormatter("busybox"), tmp_path, "true")
    pod = made["spec"]["template"]
    assert (made["spec"]["backoffLimit"], pod["spec"]["restartPolicy"]) == (0, "Never")
    assert pod["metadata"]["labels"] == made["metadata"]["labels"]
    assert {"whatsnext/job": "17", "whatsnext/attempt": "17-2"}.items() <= made["metadata"]["labels"].items()


def test_requirements_of_the_task_come_before_the_defaults(tmp_path: Path) -> None:
    needs = Requirement(cpu=4, accelerators=2, memory=3 * 2**30)
    made = manifest(KubernetesFormatter("busybox", memory="1Gi"), tmp_path, "true", requirement=needs)
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert container["resources"]["limits"] == {"cpu": "4", "memory": "3072Mi", "nvidia.com/gpu": "2"}
    assert container["resources"]["requests"] == container["resources"]["limits"]


def test_options_of_the_task_come_first(tmp_path: Path) -> None:
    options = {"kubernetes": {"image": "mine", "cpu": 0.5}}
    made = manifest(KubernetesFormatter("busybox"), tmp_path, "true", options=options)
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert (container["image"], container["resources"]["limits"]["cpu"]) == ("mine", "0.5")


@pytest.mark.parametrize(
    ("options", "words"), [({"imgae": "x"}, "imgae"), ({"namespace": "x"}, "namespace"), ({"image": ""}, "No image")]
)
def test_wrong_options_of_a_task_are_named(tmp_path: Path, options: dict[str, Any], words: str) -> None:
    with pytest.raises(TemplateError, match=words):
        manifest(KubernetesFormatter("busybox"), tmp_path, "true", options={"kubernetes": options})


@pytest.mark.parametrize("wrong", [{"memory": "lots"}, {"volumes": ("data",)}])
def test_wrong_settings_are_named(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidError, match=r"lots|data"):
        KubernetesFormatter("busybox", **wrong)


def test_format_gives_a_call_that_a_person_could_type() -> None:
    command = KubernetesFormatter("python:3.12", namespace="lab", context="big").format("Train it", {"lr": 0.1})
    words = ["create", "job", "train-it", "--image=python:3.12", "--", "Train it", "--lr", "0.1"]
    assert command == ["kubectl", "--context=big", "--namespace=lab", *words]
