"""Each source wins over those before it; what is missing is named."""

import pytest
from attrs import field, frozen

from tests.core.settings.conftest import Place, Toy
from whatsnext_core.errors import ConfigurationError, InvalidError
from whatsnext_core.settings import load_plugin_config

USERS = ".config/whatsnext/whatsnext.toml"
FILE = "project/whatsnext.toml"


@frozen(kw_only=True)
class Node:
    name: str


@frozen(kw_only=True)
class Plugin:
    """Settings of a plugin, one of them without a default."""

    partition: str
    nodes: tuple[Node, ...] = ()
    best: Node | None = None


@frozen(kw_only=True)
class Derived:
    word: str = "a"
    length: int = field(init=False)

    @length.default
    def _measure(self) -> int:
        return len(self.word)


def unlucky(value: int) -> int:
    if value == 13:
        raise InvalidError(f"{value} brings bad luck; take another number")
    return value + 1


@frozen(kw_only=True)
class Picky:
    colour: str = "blue"
    number: int = field(default=0, converter=unlucky)
    word: str = field(default="a")

    @word.validator
    def _check(self, _: object, value: str) -> None:
        if value == "b":
            raise InvalidError(f"The word is {value!r}.")
        if value == "c":
            raise RuntimeError


def test_without_sources_the_defaults_hold(place: Place) -> None:
    assert repr(place.load(Toy)) == repr(Toy())


def test_each_source_wins_over_those_before_it(place: Place) -> None:
    place.write(USERS, "[server]\nport = 1\nhost = 'a'\nrate = 1\nlimit = 1\nflag = true\n")
    place.write(FILE, "[server]\nport = 2\nhost = 'b'\nrate = 2\nlimit = 2\n")
    place.write("project/.env", "WHATSNEXT_PORT=3\nWHATSNEXT_HOST=c\nWHATSNEXT_RATE=3.5\n")
    settings = place.load(Toy, variables={"PORT": "4", "HOST": "d"}, overrides={"port": 5, "host": None})
    assert (settings.port, settings.host, settings.rate, settings.limit, settings.flag) == (5, "d", 3.5, 2, True)


def test_other_sections_are_not_looked_into(place: Place) -> None:
    place.write(FILE, "[client]\nwhatever = 1\n[plugins.some]\nthing = 1\n")
    assert place.load(Toy).port == 8000


def test_a_setting_without_a_value_is_named(place: Place) -> None:
    with pytest.raises(ConfigurationError, match=r"\[server\] lacks the settings partition; add them to a config file"):
        place.load(Plugin)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("number = 13", r"toml: \[server\] number: 13 brings bad luck; take another number$"),
        ("word = 'b'", r"^\[server\] \(.*toml, options\): The word is 'b'\.$"),
        ("word = 'c'", r"^\[server\] \(.*toml, options\): RuntimeError$"),
        ("number = 12", r"^\[server\] \(.*toml, options\): 13 brings bad luck"),
    ],
)
def test_what_a_class_refuses_is_told_in_its_words(place: Place, text: str, sentence: str) -> None:
    place.write(FILE, f"[server]\n{text}\n")
    with pytest.raises(ConfigurationError, match=sentence):
        place.load(Picky, overrides={"colour": "red"})


def test_what_a_class_makes_itself_is_no_setting(place: Place) -> None:
    place.write(FILE, "[server]\nword = 'abc'\n")
    assert place.load(Derived).length == 3
    place.write(FILE, "[server]\nlength = 1\n")
    with pytest.raises(ConfigurationError, match=r"unknown key 'length'\. Known keys: word\."):
        place.load(Derived)


def test_a_plugin_has_its_own_section_of_its_own_class(place: Place) -> None:
    place.write(USERS, "[plugins.slurm]\npartition = 'short'\nbest = {name = 'n1'}\n")
    place.write(FILE, "[plugins.slurm]\npartition = 'gpu'\nnodes = [{name = 'n1'}, {name = 'n2'}]\n[plugins.other]\n")
    config = load_plugin_config("slurm", Plugin, start=place.folder, environ=place.environ)
    assert config == Plugin(partition="gpu", nodes=(Node(name="n1"), Node(name="n2")), best=Node(name="n1"))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "[plugins.slurm]\npartitions = 'x'",
            r"toml: \[plugins.slurm\] has the unknown key 'partitions'\. Did you mean",
        ),
        ("[plugins.slurm]\nnodes = [{name = 'a'}, {nam = 'b'}]", r"toml: \[plugins.slurm\] nodes\[1\].* 'nam'"),
        ("[plugins]\nslurm = 1", r"toml: plugins\.slurm is no table; write it as \[plugins\.slurm\]"),
        ("plugins = 1", r"toml: plugins\.slurm is no table"),
        ("[plugins.slurm]", r"^\[plugins\.slurm\] lacks the settings partition"),
    ],
)
def test_a_bad_setting_of_a_plugin_is_refused_with_its_path(place: Place, text: str, sentence: str) -> None:
    place.write(FILE, text)
    with pytest.raises(ConfigurationError, match=sentence):
        load_plugin_config("slurm", Plugin, start=place.folder, environ=place.environ)


def test_a_plugin_without_settings_gets_none_and_refuses_any(place: Place) -> None:
    config = place.write(FILE, "[plugins.bare]\n")
    assert load_plugin_config("bare", None, config=config) is None
    place.write(FILE, "[plugins.bare]\nport = 1\n")
    with pytest.raises(ConfigurationError, match=r"\[plugins\.bare\] has the unknown key 'port'\. Known keys: none\."):
        load_plugin_config("bare", None, config=config)
