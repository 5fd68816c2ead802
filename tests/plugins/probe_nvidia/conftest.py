"""A driver of NVIDIA whose cards a test writes down."""

import ctypes
from pathlib import Path

import pynvml
import pytest
from attrs import frozen

from tests.components import Compiler
from tests.support import wait_until


@frozen
class Driver:
    """A library that stands in for that of the driver, and the file that says what there is."""

    library: Path
    """The library; it bears the driver's own name."""
    cards: Path
    """What there is, as ``nvml.c`` says."""

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs in its environment to find this driver."""
        return {"LD_LIBRARY_PATH": str(self.library.parent), "FAKE_NVML": str(self.cards)}

    def write(self, *lines: str) -> None:
        """Says what there is from now on."""
        new = self.cards.with_suffix(".new")
        new.write_text("".join(f"{line}\n" for line in lines))
        new.replace(self.cards)

    def await_reads(self, count: int = 2) -> None:
        """Waits until all was read so often again: what a worker makes of the last time but one is known then."""
        reads = self.cards.with_name(f"{self.cards.name}.reads")
        begun = reads.stat().st_size
        wait_until(lambda: reads.stat().st_size >= begun + count, 60, "the cards are read again")


@pytest.fixture(scope="session")
def nvml_library(compiler: Compiler, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled library."""
    library = tmp_path_factory.mktemp("nvml") / "libnvidia-ml.so.1"
    compiler.make_library(Path(__file__).with_name("nvml.c"), library)
    return library


@pytest.fixture
def driver(nvml_library: Path, tmp_path: Path) -> Driver:
    """A driver without cards, for processes that are given its environment."""
    driver = Driver(nvml_library, tmp_path / "cards")
    driver.write()
    return driver


@pytest.fixture
def driver_here(driver: Driver, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """The driver of this process."""
    monkeypatch.setattr(pynvml, "nvmlLib", ctypes.CDLL(str(driver.library)))
    monkeypatch.setattr(pynvml, "_nvmlGetFunctionPointer_cache", {})
    monkeypatch.setenv("FAKE_NVML", str(driver.cards))
    for name in ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)
    return driver
