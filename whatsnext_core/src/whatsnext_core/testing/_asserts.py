"""Makes pytest show the values behind the assertions of the kits; imported before any of them."""

import pytest

KITS = ("storage", "machine", "formatter", "probe")

pytest.register_assert_rewrite(*(f"whatsnext_core.testing.{kit}" for kit in KITS))
