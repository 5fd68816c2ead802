"""Where a server is: host names, ports and URLs, as people write them."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from whatsnext_core.errors import ConfigurationError

DEFAULT_PORT: Final = 8000
_PORTS: Final = {"http": 80, "https": 443}
_LAST_PORT: Final = 65_535


@frozen(kw_only=True)
class Address:
    """The address of a server."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    """Host name or IP address, without brackets."""
    port: int
    """TCP port."""
    path: str = ""
    """What comes before every path of the API (``/queue``) behind a reverse proxy; empty or with a slash in front."""

    @property
    def url(self) -> str:
        """The address as a URL, without a slash at its end."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}{self.path}"

    @property
    def slug(self) -> str:
        """The address as a name of a folder."""
        return "".join(c if c.isalnum() or c in "-." else "_" for c in f"{self.host}_{self.port}{self.path}")

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


def parse_address(server: str, port: int | None = None) -> Address:
    """Return the address that a host name or URL names.

    A URL is taken whole: without a port it means that of its scheme. A bare host name goes with ``port``, or 8000.

    Raises:
        ConfigurationError: it is no address, or names another port than ``port``.
    """
    text = server.strip()
    if not text:
        raise ConfigurationError("The server's address is empty; give a host name, or a URL such as http://queue:8000.")
    is_url = "://" in text
    bare_ipv6 = not is_url and text.count(":") > 1 and not text.startswith("[")
    try:
        parts = urlsplit(text if is_url else f"http://[{text}]" if bare_ipv6 else f"http://{text}")
        own_port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"The server's address {server!r} is malformed: {error}.") from error
    if parts.scheme not in _PORTS or not parts.hostname or any(c.isspace() for c in text):
        raise ConfigurationError(
            f"The server's address {server!r} is neither a host name nor a URL that begins with http:// or https://."
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise ConfigurationError(
            f"The server's address {parts.scheme}://{parts.hostname} carries a user, a query or a fragment; "
            f"give the key as api_key and nothing else in the address."
        )
    if port is not None and own_port is not None and port != own_port:
        raise ConfigurationError(f"The server's address {server!r} and the port {port} contradict each other.")
    chosen = next(p for p in (port, own_port, _PORTS[parts.scheme] if is_url else DEFAULT_PORT) if p is not None)
    if not 1 <= chosen <= _LAST_PORT:
        raise ConfigurationError(f"The port {chosen} of the server is out of range; ports go from 1 to {_LAST_PORT}.")
    return Address(scheme=parts.scheme, host=parts.hostname, port=chosen, path=parts.path.rstrip("/"))


def configured_address(server: str, port: int | None) -> Address:
    """Return the address that settings name; a URL, or a port in ``server``, outweighs the port beside it."""
    own = parse_address(server)
    if port is None or "://" in server or own.port != DEFAULT_PORT:
        return own
    return parse_address(server, port)
