"""Addresses of servers, as people write them."""

import pytest

from whatsnext_client.address import parse_address
from whatsnext_core.errors import ConfigurationError


@pytest.mark.parametrize(
    ("server", "port", "url"),
    [
        ("localhost", None, "http://localhost:8000"),
        ("localhost", 9000, "http://localhost:9000"),
        ("queue.example.org:9000", None, "http://queue.example.org:9000"),
        ("http://localhost:8000", None, "http://localhost:8000"),
        ("http://localhost:8000/", 8000, "http://localhost:8000"),
        ("https://queue.example.org", None, "https://queue.example.org"),
        ("https://queue.example.org/jobs/", None, "https://queue.example.org/jobs"),
        ("::1", None, "http://[::1]:8000"),
        ("[::1]:9000", None, "http://[::1]:9000"),
        (" localhost ", None, "http://localhost:8000"),
    ],
)
def test_an_address_is_a_host_or_a_whole_url(server: str, port: int | None, url: str) -> None:
    assert parse_address(server, port).url == url


@pytest.mark.parametrize(
    ("server", "port", "why"),
    [
        ("", None, "is empty"),
        ("ftp://localhost", None, "neither a host name nor a URL"),
        ("local host", None, "neither a host name nor a URL"),
        ("http://localhost:8000", 9000, "contradict"),
        ("http://me:secret@localhost", None, "api_key"),
        ("localhost:99999", None, "malformed"),
        ("localhost", 0, "ports go from 1"),
    ],
)
def test_what_is_no_address_is_refused_with_the_reason(server: str, port: int | None, why: str) -> None:
    with pytest.raises(ConfigurationError, match=why) as caught:
        parse_address(server, port)
    assert "secret" not in str(caught.value)
