"""What is offered of cards."""

import pytest

from whatsnext_core.model import Device
from whatsnext_core.probing import Measurement
from whatsnext_probe_nvidia.cards import Card, Unit, measurement


def unit(uuid: str, *users: int, name: str = "NVIDIA A100-SXM4-80GB") -> Unit:
    return Unit(uuid=uuid, name=name, memory=80 * 10**9, users=users)


def card(uuid: str, *users: int) -> Card:
    return Card(uuid=uuid, units=(unit(uuid, *users),))


CARDS = [card("GPU-aa1"), card("GPU-aa2", 17, 18), Card(uuid="GPU-b", units=(unit("MIG-x", 9), unit("MIG-y")))]


def shown(visible: str | None) -> list[str]:
    return [device.id for device in measurement(CARDS, visible).devices]


def test_each_card_or_instance_is_a_device_with_its_kind_and_memory() -> None:
    found = measurement(CARDS, None)
    kind, memory = "NVIDIA A100-SXM4-80GB", 80 * 10**9
    assert found == Measurement(
        devices=(
            Device(id="GPU-aa1", kind=kind, memory=memory),
            Device(id="GPU-aa2", kind=kind, memory=memory, free=0),
            Device(id="MIG-x", kind=kind, memory=memory, free=0),
            Device(id="MIG-y", kind=kind, memory=memory),
        ),
        users={"GPU-aa2": (17, 18), "MIG-x": (9,)},
    )


def test_cards_can_be_shared_with_others() -> None:
    found = measurement(CARDS, None, share_with_others=True)
    assert {device.free for device in found.devices} == {1000}
    assert found.users == {}


@pytest.mark.parametrize(
    ("visible", "expected"),
    [
        (None, ["GPU-aa1", "GPU-aa2", "MIG-x", "MIG-y"]),
        ("", []),
        ("-1", []),
        ("NoDevFiles", []),
        ("1,0", ["GPU-aa2", "GPU-aa1"]),
        (" 0 , 1 ", ["GPU-aa1", "GPU-aa2"]),
        ("0,7,1", ["GPU-aa1"]),
        ("0,-1,1", ["GPU-aa1"]),
        ("GPU-aa2", ["GPU-aa2"]),
        ("gpu-AA2,0", ["GPU-aa2", "GPU-aa1"]),
        ("GPU-aa", []),
        ("GPU-b", ["MIG-x", "MIG-y"]),
        ("2", ["MIG-x", "MIG-y"]),
        ("MIG-y,MIG-x,MIG-y", ["MIG-y", "MIG-x"]),
        ("0,0", ["GPU-aa1"]),
    ],
)
def test_what_the_worker_may_see_is_heeded_as_cuda_does(visible: str | None, expected: list[str]) -> None:
    assert shown(visible) == expected


def test_long_product_name_is_cut() -> None:
    (device,) = measurement([Card(uuid="GPU-1", units=(unit("GPU-1", name="x" * 300),))], None).devices
    assert device.kind == "x" * 255
