"""What can be said of a block without running it."""

import ast
import configparser
import json
import tomllib

from tests.docs.snippets import Snippet

__all__ = ["LANGUAGES", "check_syntax"]

LANGUAGES = frozenset({"console", "python", "toml", "json", "ini", "text"})
"""What a block may be; directives in braces are Sphinx's own affair."""


def check_syntax(snippet: Snippet) -> None:
    """Fails unless a block is of a known language and well-formed in it."""
    language = snippet.language
    assert language in LANGUAGES or language.startswith("{"), (
        f"{snippet.place}: nobody checks blocks of the language {language!r}; use one of {', '.join(sorted(LANGUAGES))}"
    )
    try:
        match language:
            case "python":
                ast.parse(snippet.text)
            case "toml":
                tomllib.loads(snippet.text)
            case "json" if (snippet.file or "").endswith(".jsonl"):
                for line in snippet.text.splitlines():
                    json.loads(line)
            case "json":
                json.loads(snippet.text)
            case "ini":
                configparser.ConfigParser(strict=False, interpolation=None).read_string(snippet.text)
    except (SyntaxError, ValueError, configparser.Error) as error:
        raise AssertionError(f"{snippet.place}: this is no {language}: {error}") from error
