"""The nice formatter does what a formatter must."""

from formatter_nice import NiceConfig, NiceFormatter


def test_a_command_stands_behind_nice() -> None:
    assert NiceFormatter(NiceConfig(adjustment=3)).format("train", {"lr": 0.1}) == ["train", "--lr", "0.1"]
