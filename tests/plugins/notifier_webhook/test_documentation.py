"""What the documentation tells receivers to do is what the signatures are."""

import time
from pathlib import Path
from typing import Any

from tests.docs.runner import read_page
from whatsnext_notifier_webhook import sign

PAGE = Path("docs/how-to/get-told.md")


def test_the_receiver_of_the_documentation_takes_what_is_genuine_and_nothing_else() -> None:
    (snippet,) = [each for each in read_page(PAGE) if each.file == "receiver.py"]
    space: dict[str, Any] = {}
    exec(snippet.text, space)  # noqa: S102  # our own page
    is_genuine, body, now = space["is_genuine"], b'{"events":[]}', time.time()
    headers = sign("a secret of the tests", "id-1", body, now=now)
    assert is_genuine("a secret of the tests", headers, body)
    assert not is_genuine("another secret", headers, body)
    assert not is_genuine("a secret of the tests", headers, body + b" ")
    assert not is_genuine("a secret of the tests", sign("a secret of the tests", "id-1", body, now=now - 301), body)
