"""What a value may look like in a file, a variable or an option, and how a bad one is refused."""

from pathlib import Path
from typing import Any

import pytest
from typed_settings import Secret

from tests.core.settings.conftest import Place, Tls, Toy

KNOWN = "Known keys: api_keys, environment, flag, host, limit, memory, names, password, port, rate, tls, token."


def test_a_file_has_values_of_every_kind(place: Place) -> None:
    settings = place.toy("""
        [server]
        host = "h"
        port = 1
        rate = 2
        flag = true
        limit = 3
        api-keys = ["a", "b"]
        token = "t"
        names = ["x", "y"]
        environment = { A = "1" }
        memory = "4K"
        password = "p"
        tls = { certificate = "tls/cert.pem", key = "k" }
        """)
    assert (settings.host, settings.port, settings.rate, settings.flag, settings.limit) == ("h", 1, 2.0, True, 3)
    assert [key.get_secret_value() for key in settings.api_keys] == ["a", "b"]
    assert (str(settings.token), set(settings.names), dict(settings.environment)) == ("t", {"x", "y"}, {"A": "1"})
    assert (settings.memory, settings.password.get_secret_value()) == (4000, "p")
    assert settings.tls.certificate == place.home / "project" / "tls" / "cert.pem"
    assert settings.tls.key.get_secret_value() == "k"


def test_variables_have_values_of_every_kind(place: Place) -> None:
    settings = place.toy(
        variables={
            "HOST": "h, i",
            "PORT": "1",
            "RATE": "2.5",
            "FLAG": "Yes",
            "LIMIT": "3",
            "API_KEYS": "a, b,",
            "NAMES": "x",
            "MEMORY": "4K",
            "PASSWORD": "p",
            "TLS_CERTIFICATE": "~/cert.pem",
            "TLS_KEY": "k",
        }
    )
    assert (settings.host, settings.port, settings.rate, settings.flag, settings.limit) == ("h, i", 1, 2.5, True, 3)
    assert [key.get_secret_value() for key in settings.api_keys] == ["a", "b"]
    assert (set(settings.names), settings.memory, settings.password.get_secret_value()) == ({"x"}, 4000, "p")
    assert settings.tls == Tls(certificate=Path("~/cert.pem").expanduser(), key=settings.tls.key)


def test_an_empty_variable_counts_as_not_set(place: Place) -> None:
    assert place.toy("[server]\nport = 1\n", variables={"PORT": "", "API_KEYS": ""}).port == 1


def test_no_is_a_no(place: Place) -> None:
    assert place.toy("[server]\nflag = true\n", variables={"FLAG": "off"}).flag is False


@pytest.mark.parametrize(("given", "port"), [(None, 8000), (5, 5), ("6", 6)])
def test_an_option_may_be_a_value_or_its_text(place: Place, given: object, port: int) -> None:
    assert place.toy(overrides={"port": given}).port == port


def test_an_option_may_be_a_secret(place: Place) -> None:
    settings = place.toy(overrides={"api_keys": [Secret("a")], "password": "p", "tls.key": "k"})
    assert [key.get_secret_value() for key in settings.api_keys] == ["a"]
    assert settings.tls.key.get_secret_value() == "k"


@pytest.mark.parametrize(
    ("text", "given", "sentence"),
    [
        ("[server]\nprot = 1", {}, f"[server] has the unknown key 'prot'. Did you mean 'port'? {KNOWN}"),
        ("[server]\nxyz = 1", {}, f"[server] has the unknown key 'xyz'. {KNOWN}"),
        (
            "[server.tls]\nkeys = 1",
            {},
            "[server.tls] has the unknown key 'keys'. Did you mean 'key'? Known keys: certificate, key.",
        ),
        (
            "[sever]\nport = 1",
            {},
            " has the unknown key 'sever'. Did you mean 'server'? Known keys: client, plugins, server.",
        ),
        ("server = 1", {}, "server is no table; write it as [server]."),
        ("[server]\nport = '1'", {}, "[server] port: '1' is no whole number"),
        ("[server]\nport = true", {}, "[server] port: True is no whole number"),
        ("[server]\nrate = '1'", {}, "[server] rate: '1' is no number"),
        ("[server]\nnames = 'x'", {}, "[server] names: 'x' is no list"),
        ("[server]\nnames = ['x', 1]", {}, "[server] names[1]: 1 is no string"),
        ("[server]\nenvironment = ['x']", {}, "[server] environment: ['x'] is no table"),
        ("[server]\nenvironment = {x = 1}", {}, "[server] environment[x]: 1 is no string"),
        ("[server]\nmemory = '1M'", {}, "[server] memory: invalid literal for int() with base 10: '1M'"),
        ("[server]\ntls = 1", {}, "[server] tls: 1 is no table"),
        ("[server.tls]\ncertificate = 1", {}, "[server] tls.certificate: 1 is no path"),
        ("[server]\nport = 0", {}, "[server] (~/project/whatsnext.toml): 'port' must be >= 1: 0"),
    ],
)
def test_a_bad_value_in_a_file_is_refused_with_file_and_path(
    place: Place, text: str, given: dict[str, Any], sentence: str
) -> None:
    refusal = place.refusal(text, **given)
    assert refusal.removeprefix("~/project/whatsnext.toml: ").removeprefix("~/project/whatsnext.toml") == sentence


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("PORT", "x", "'x' is no whole number"),
        ("RATE", "x", "'x' is no number"),
        ("FLAG", "maybe", "'maybe' is neither true nor false"),
        ("LIMIT", "x", "'x' is no whole number"),
        ("ENVIRONMENT", "A=1", "'A=1' is no table"),
    ],
)
def test_a_bad_value_in_a_variable_is_refused_with_its_name(place: Place, name: str, text: str, sentence: str) -> None:
    assert place.refusal(variables={name: text}) == f"environment variable WHATSNEXT_{name}: {sentence}"
    place.write("project/.env", f"WHATSNEXT_{name}={text}\n")
    assert place.refusal() == f"~/project/.env: WHATSNEXT_{name}: {sentence}"


def test_a_bad_option_is_refused_with_its_name(place: Place) -> None:
    assert place.refusal(overrides={"port": "x"}) == "option port: 'x' is no whole number"
    assert place.refusal(overrides={"prot": None}).startswith(
        "options has the unknown key 'prot'. Did you mean 'port'?"
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[server]\napi_keys = 'hunter2'",
            "[server] api_keys: the value, which is a secret and not shown, is malformed; expected a list of strings.",
        ),
        (
            "[server]\napi_keys = ['hunter2', 2]",
            "[server] api_keys: the value, which is a secret and not shown, is malformed; expected a list of strings.",
        ),
        (
            "[server]\ntoken = ['hunter2']",
            "[server] token: the value, which is a secret and not shown, is malformed; expected a string.",
        ),
        (
            "[server]\npassword = 'hunter2 x'",
            "[server] password: the value, which is a secret and not shown, is malformed; expected a string.",
        ),
        (
            "[server.tls]\nkey = ['hunter2']",
            "[server] tls.key: the value, which is a secret and not shown, is malformed; expected a string.",
        ),
    ],
)
def test_a_secret_is_never_shown(place: Place, text: str, expected: str) -> None:
    assert place.refusal(text) == f"~/project/whatsnext.toml: {expected}"
    settings: Toy = place.toy("[server]\napi_keys = ['hunter2']\ntoken = 'hunter2'\npassword = 'hunter2'\n")
    assert "hunter2" not in repr(settings)
