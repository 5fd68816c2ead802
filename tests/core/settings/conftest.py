"""A folder with settings, and what is read from it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import attrs
import pytest
from attrs import field, frozen
from typed_settings import Secret, SecretStr

from whatsnext_core.errors import ConfigurationError
from whatsnext_core.settings import load_settings

T = TypeVar("T")


def kilobytes(value: str | int) -> int:
    """A number of bytes, also written with a K."""
    return value if isinstance(value, int) else int(value.removesuffix("K")) * 1000


def one_word(value: str | Secret[str]) -> Secret[str]:
    """A secret that must be one word, and an error that shows it if it is not."""
    text = value.get_secret_value() if isinstance(value, Secret) else value
    if " " in text:
        raise ValueError(f"{text!r} has a blank")
    return Secret(text)


@frozen(kw_only=True)
class Tls:
    """Settings inside settings."""

    certificate: Path | None = None
    key: Secret[str] = field(factory=lambda: Secret(""))


@frozen(kw_only=True)
class Toy:
    """Settings of every kind."""

    host: str = "127.0.0.1"
    port: int = field(default=8000, validator=attrs.validators.ge(1))
    rate: float = 0.5
    flag: bool = False
    limit: int | None = None
    api_keys: tuple[Secret[str], ...] = ()
    token: SecretStr = field(factory=SecretStr)
    names: frozenset[str] = frozenset()
    environment: Mapping[str, str] = field(factory=dict)
    memory: int = field(default=0, converter=kilobytes)
    password: Secret[str] = field(default="", converter=one_word)
    tls: Tls = field(factory=Tls)


class Place:
    """A project's folder below a home."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.folder = home / "project" / "runs"
        self.folder.mkdir(parents=True)
        self.environ = {"HOME": str(home), "APPDATA": str(home / ".config")}

    def write(self, name: str, text: str) -> Path:
        """Writes a file, by its path relative to the home."""
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def load(self, cls: type[T], *, variables: Mapping[str, str] | None = None, **given: Any) -> T:
        """The settings that a program in the folder would have."""
        environ = {**self.environ, **{f"WHATSNEXT_{name}": text for name, text in (variables or {}).items()}}
        return load_settings(cls, "server", start=self.folder, environ=environ, **given)

    def toy(self, text: str = "", **given: Any) -> Toy:
        """The settings of a toy server whose project has a config file with this text."""
        self.write("project/whatsnext.toml", text)
        return self.load(Toy, **given)

    def refusal(self, text: str = "", **given: Any) -> str:
        """Why these settings are refused, with `~` for the home."""
        with pytest.raises(ConfigurationError) as caught:
            self.toy(text, **given)
        return str(caught.value).replace(str(self.home), "~")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty folder of a project below an empty home."""
    return Place(tmp_path)
