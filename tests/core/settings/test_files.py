"""Where config files are looked for, and what one that cannot be read says."""

from pathlib import Path

import pytest

from tests.core.settings.conftest import Place, Toy
from whatsnext_core.errors import ConfigurationError
from whatsnext_core.settings import find_config_files, is_mentioned, load_settings
from whatsnext_core.settings.files import read_dotenv, read_toml, user_config_file

USERS = ".config/whatsnext/whatsnext.toml"


def find(place: Place, config: Path | None = None, **variables: str) -> list[str]:
    files = find_config_files(config, place.folder, environ={**place.environ, **variables})
    return [str(file.relative_to(place.home)) for file in files]


def test_without_files_there_are_none(place: Place) -> None:
    assert find(place) == []


@pytest.mark.parametrize("name", ["project/.whatsnext", "project/runs/whatsnext.toml", "whatsnext.toml"])
def test_the_users_file_comes_before_the_one_found_upwards(place: Place, name: str) -> None:
    place.write(USERS, "")
    place.write(name, "")
    assert find(place) == [USERS, name]


def test_the_nearest_file_is_the_one_that_counts(place: Place) -> None:
    place.write("project/.whatsnext", "")
    place.write("project/runs/.whatsnext", "")
    assert find(place) == ["project/runs/.whatsnext"]


def test_a_folder_of_that_name_is_no_config_file(place: Place) -> None:
    (place.folder / ".whatsnext").mkdir()
    assert find(place) == []


def test_the_users_file_counts_once_where_it_is_found_upwards_too(place: Place) -> None:
    place.write(USERS, "")
    place.folder = place.home / ".config" / "whatsnext"
    assert find(place) == [USERS]


def test_the_users_file_lies_where_the_desktop_says() -> None:
    variables = {"XDG_CONFIG_HOME": "/elsewhere", "APPDATA": "/elsewhere"}
    assert user_config_file(variables) == Path("/elsewhere/whatsnext/whatsnext.toml")


def test_two_names_in_one_folder_are_one_too_many(place: Place) -> None:
    place.write("project/.whatsnext", "")
    place.write("project/whatsnext.toml", "")
    with pytest.raises(ConfigurationError, match=r"whatsnext and .*whatsnext\.toml exist.*remove one"):
        find(place)


def test_a_file_that_is_named_is_the_only_one(place: Place) -> None:
    place.write(USERS, "")
    place.write("project/.whatsnext", "")
    other = place.write("other.toml", "")
    assert find(place, other) == ["other.toml"]
    assert find(place, WHATSNEXT_CONFIG=str(other)) == ["other.toml"]
    third = place.write("third.toml", "")
    assert find(place, third, WHATSNEXT_CONFIG=str(other)) == ["third.toml"]


def test_a_named_file_that_does_not_exist_is_refused(place: Place) -> None:
    with pytest.raises(ConfigurationError, match=r"config file .*gone\.toml does not exist; name another"):
        find(place, place.home / "gone.toml")
    with pytest.raises(ConfigurationError, match=r"gone\.toml that WHATSNEXT_CONFIG names does not exist"):
        find(place, WHATSNEXT_CONFIG=str(place.home / "gone.toml"))


def test_the_current_folder_and_environment_are_the_defaults(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in place.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setenv("WHATSNEXT_HOST", "here")
    monkeypatch.chdir(place.folder)
    place.write(USERS, "[server]\nport = 1\n")
    place.write("project/.whatsnext", "[server]\nlimit = 2\n")
    settings = load_settings(Toy, "server")
    assert (settings.port, settings.limit, settings.host) == (1, 2, "here")


def test_a_file_that_is_no_toml_says_where(place: Place) -> None:
    assert place.refusal("[server\n").startswith("The config file ~/project/whatsnext.toml is no valid TOML: ")


def test_a_file_in_another_encoding_is_refused(place: Place) -> None:
    place.write("project/.whatsnext", "").write_bytes(b"[server]\nhost = '\xff'\n")
    with pytest.raises(ConfigurationError, match="is not written in UTF-8"):
        place.load(Toy)
    (place.home / "project/.whatsnext").unlink()
    place.write("project/.env", "").write_bytes(b"WHATSNEXT_HOST=\xff\n")
    with pytest.raises(ConfigurationError, match=r"\.env is not written in UTF-8"):
        place.load(Toy)


def test_a_file_that_vanishes_is_refused(place: Place) -> None:
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read_toml(place.folder)
    with pytest.raises(ConfigurationError, match="cannot be read: Is a directory"):
        read_dotenv(place.folder)


def test_a_dotenv_file_is_read_as_it_stands(place: Place) -> None:
    place.write("project/.env", "# keys\nexport WHATSNEXT_HOST='a $HOME b'\nWHATSNEXT_LIMIT\nOTHER=1\n")
    settings = place.load(Toy)
    assert (settings.host, settings.limit) == ("a $HOME b", None)


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("project/whatsnext.toml", "[client]\ndisabled_plugins = []\n", True),
        (USERS, "[client]\ndisabled-plugins = 7\n", True),
        ("project/.env", "export WHATSNEXT_DISABLED_PLUGINS=a\n", True),
        ("project/whatsnext.toml", "client = 3\n# disabled_plugins\n[server]\ndisabled_plugins = []\n", False),
        ("project/.env", "DISABLED_PLUGINS=a\n", False),
    ],
)
def test_whether_a_setting_is_mentioned_is_known_without_reading_it(
    place: Place, monkeypatch: pytest.MonkeyPatch, file: str, text: str, expected: bool
) -> None:
    place.write(file, text)
    monkeypatch.chdir(place.folder)
    for name, value in place.environ.items():
        monkeypatch.setenv(name, value)
    assert is_mentioned("disabled_plugins", "client") is expected
    monkeypatch.setenv("WHATSNEXT_DISABLED_PLUGINS", "a,b")
    assert is_mentioned("disabled_plugins", "client")
