from pathlib import Path

import pytest

from whatsnext_core.errors import ConfigurationError
from whatsnext_server.config import ServerSettings, data_directory, default_database, load_server_settings

EVERYWHERE = "0.0.0.0"  # noqa: S104  # it is only looked at


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of whoever runs the tests is read."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)


def test_defaults_are_the_documented_ones() -> None:
    settings = load_server_settings()
    assert (settings.host, settings.port, settings.api_keys, settings.cors_origins) == ("127.0.0.1", 8000, (), ())
    assert (settings.rate_limit_per_minute, settings.max_request_bytes) == (0, 4 * 2**20)
    assert (settings.lease_seconds, settings.renew_seconds, settings.reserve_after_seconds) == (90, 20, 300)
    assert settings.database == default_database()
    assert settings.database.endswith("/whatsnext/whatsnext.db")
    assert settings.is_open
    assert settings.is_local


def test_later_sources_win(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("whatsnext.toml").write_text(
        '[server]\nport = 1\nhost = "file"\nlog_level = "ERROR"\nrate_limit_per_minute = 7\n'
    )
    Path(".env").write_text("WHATSNEXT_PORT=2\nWHATSNEXT_HOST=dotenv\n")
    monkeypatch.setenv("WHATSNEXT_PORT", "3")
    monkeypatch.setenv("WHATSNEXT_API_KEYS", "k1, k2")
    settings = load_server_settings(overrides={"lease_seconds": "120", "host": None})
    assert (settings.port, settings.host, settings.log_level) == (3, "dotenv", "error")
    assert (settings.rate_limit_per_minute, settings.api_keys, settings.lease_seconds) == (7, ("k1", "k2"), 120)
    assert load_server_settings(overrides={"port": "4"}).port == 4


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"port": 70_000}, "70000"),
        ({"port": "http"}, "http"),
        ({"lease_seconds": 10, "renew_seconds": 9}, "two renewals"),
        ({"log_level": "loud"}, "'loud'"),
        ({"log_format": "xml"}, "text, json"),
        ({"api_keys": ("good", "")}, "number 2"),
        ({"api_keys": ("with\nnewline",)}, "number 1"),
        ({"retention_days": -1}, "retention_days"),
        ({"nix": 1}, "nix"),
    ],
)
def test_wrong_settings_are_told(given: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        load_server_settings(overrides=given)


def test_wrong_keys_are_not_shown() -> None:
    with pytest.raises(ConfigurationError) as caught:
        ServerSettings(api_keys=("se\tcret",))
    assert "cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("127.8.8.8", True), ("localhost", True), ("::1", True), (EVERYWHERE, False), ("box", False)],
)
def test_loopback_is_recognised(host: str, local: bool) -> None:
    assert ServerSettings(host=host).is_local is local


def test_data_directory_follows_the_platform(monkeypatch: pytest.MonkeyPatch) -> None:
    environ = {"HOME": "/home/u", "XDG_DATA_HOME": "/data", "LOCALAPPDATA": "/local"}
    for platform, expected in [
        ("linux", "/data/whatsnext"),
        ("darwin", "/home/u/Library/Application Support/whatsnext"),
        ("win32", "/local/whatsnext"),
    ]:
        monkeypatch.setattr("sys.platform", platform)
        assert data_directory(environ).as_posix() == expected
