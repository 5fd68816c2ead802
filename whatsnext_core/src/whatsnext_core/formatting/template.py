"""Command templates: ``python train.py --lr {lr}``.

A template is split into words first, as a shell would split it (quotes and backslashes, nothing else), and the
placeholders are filled inside the words then. So a value is never split and never interpreted, whatever it contains,
and no shell is involved; who wants one writes ``sh -c '... {name:q}'``, where ``q`` quotes the value for it.

- ``{name}`` is text as written, any other value as JSON (``true``, ``0.01``). ``{a.b}`` and ``{a[0]}`` reach into
  objects and lists; a parameter that is itself called ``a.b`` comes first. ``{{`` and ``}}`` are braces.
- A word that is one placeholder and nothing else becomes one word for each element of a list: ``--layers {layers}``.
- ``{lr:.3f}`` formats text and numbers as Python does; lists and objects have no format.
- A placeholder without a value, also one whose value is null, is an error: no half-filled command ever runs. Parameters
  that no placeholder asks for are left out.
"""

from __future__ import annotations

import re
import shlex
import string
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from attrs import frozen

from whatsnext_core.errors import TemplateError
from whatsnext_core.formatting.arguments import text_of, texts_of
from whatsnext_core.model.limits import shorten

MAX_WIDTH: Final = 1_000
"""The largest number that a format may contain."""
_STEP = re.compile(r"\.(?P<name>[^.\[\]]+)|\[(?P<index>[^\[\]]+)\]")
_PATH = re.compile(r"[^.\[\]]+(\.[^.\[\]]+|\[[^\[\]]+\])*")
_ABSENT: Final = object()


@frozen(kw_only=True)
class Placeholder:
    """One place of a template that a parameter fills."""

    name: str
    """The parameter, with the path into it: ``optimizer.lr``."""
    spec: str = ""
    """How it is formatted; empty for its plain text."""

    def __str__(self) -> str:
        return f"{{{self.name}:{self.spec}}}" if self.spec else f"{{{self.name}}}"


@frozen(kw_only=True)
class Template:
    """A template, taken apart."""

    words: tuple[tuple[str | Placeholder, ...], ...]
    """Its words, each a row of literal text and placeholders."""

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """Its placeholders in their order."""
        return tuple(piece for word in self.words for piece in word if isinstance(piece, Placeholder))


@lru_cache(maxsize=1024)
def parse_template(text: str) -> Template:
    """Return the template taken apart.

    Raises:
        TemplateError: a quote or brace is not closed, a placeholder has no name, or a form is not supported.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise TemplateError(
            f"The command template {shorten(text)} cannot be split into words: {error}. Close it, or write \\ before."
        ) from error
    if not words:
        raise TemplateError("The command template is empty; write a command.")
    return Template(words=tuple(tuple(_pieces(word)) for word in words))


def placeholders(text: str) -> tuple[str, ...]:
    """Return the names that the placeholders of a template have, each once, in their order.

    Raises:
        TemplateError: the template is malformed.
    """
    return tuple(dict.fromkeys(piece.name for piece in parse_template(text).placeholders))


def missing_parameters(text: str, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the placeholders of a template for which the parameters have no value.

    Raises:
        TemplateError: the template is malformed.
    """
    return tuple(name for name in placeholders(text) if _find(parameters, name) in (_ABSENT, None))


def fill_template(text: str, parameters: Mapping[str, Any], *, task: str) -> list[str]:
    """Return the command: the template's words with the parameters filled in.

    Raises:
        TemplateError: the template is malformed, a placeholder has no value, or a format does not suit its value.
    """
    return [filled for word in parse_template(text).words for filled in _fill(word, parameters, task)]


def _pieces(word: str) -> Iterator[str | Placeholder]:
    try:
        parsed = list(string.Formatter().parse(word))
    except ValueError as error:
        raise TemplateError(
            f"The word {shorten(word)} of the command template is malformed: {error}. "
            f"A placeholder is {{name}}, without blanks; a brace that is meant as such is written twice."
        ) from error
    if not parsed:
        yield ""
    for literal, name, spec, conversion in parsed:
        if literal:
            yield literal
        if name is None:
            continue
        if conversion:
            raise TemplateError(
                f"The placeholder {{{name}!{conversion}}} of the command template asks for a conversion, "
                f"and there are none; write {{{name}}}."
            )
        if not _PATH.fullmatch(name):
            raise TemplateError(
                f"The placeholder {{{name}}} of the command template names no parameter; write {{name}}, "
                f"{{name.key}} or {{name[0]}}, and {{{{}}}} for braces."
            )
        yield Placeholder(name=name, spec=_check_spec(name, spec or ""))


def _check_spec(name: str, spec: str) -> str:
    numbers = [int(digits) for digits in re.findall(r"\d{1,9}", spec)]
    if "{" in spec or max(numbers, default=0) > MAX_WIDTH:
        raise TemplateError(
            f"The format {spec!r} of the placeholder {{{name}}} is not allowed: "
            f"a format holds no placeholder and no number above {MAX_WIDTH}."
        )
    return spec


def _fill(word: Sequence[str | Placeholder], parameters: Mapping[str, Any], task: str) -> list[str]:
    if len(word) == 1 and isinstance(word[0], Placeholder):
        value = _value(word[0], parameters, task)
        if isinstance(value, list | tuple) and not word[0].spec:
            return texts_of(value)
    return ["".join(piece if isinstance(piece, str) else _text(piece, parameters, task) for piece in word)]


def _text(placeholder: Placeholder, parameters: Mapping[str, Any], task: str) -> str:
    value = _value(placeholder, parameters, task)
    if not placeholder.spec:
        return text_of(value)
    if placeholder.spec == "q":
        return shlex.join(texts_of(value))
    if isinstance(value, str | int | float):
        try:
            return format(value, placeholder.spec)
        except ValueError as error:
            reason = str(error)
    else:
        reason = "lists and objects have no format"
    raise TemplateError(
        f"The placeholder {placeholder} in the command template of task {task!r} does not suit the value "
        f"{shorten(value)}: {reason}."
    )


def _value(placeholder: Placeholder, parameters: Mapping[str, Any], task: str) -> Any:
    value = _find(parameters, placeholder.name)
    if value is None:
        raise TemplateError(
            f"The placeholder {placeholder} in the command template of task {task!r} has the value null; "
            f"give the job a value for {placeholder.name!r}."
        )
    if value is _ABSENT:
        present = ", ".join(map(repr, list(parameters)[:20])) or "none"
        more = f" and {len(parameters) - 20} more" if len(parameters) > 20 else ""  # noqa: PLR2004 - the same 20
        raise TemplateError(
            f"The placeholder {placeholder} in the command template of task {task!r} has no value: the job has no "
            f"parameter {placeholder.name!r}. Its parameters: {present}{more}."
        )
    return value


def _find(parameters: Mapping[str, Any], path: str) -> Any:
    if path in parameters:
        return parameters[path]
    root = re.split(r"[.\[]", path, maxsplit=1)[0]
    value = parameters.get(root, _ABSENT)
    for step in _STEP.finditer(path, len(root)):
        key = step["name"] or step["index"]
        if isinstance(value, Mapping):
            value = value.get(key, _ABSENT)
        elif (
            isinstance(value, list | tuple) and re.fullmatch(r"-?\d{1,9}", key) and -len(value) <= int(key) < len(value)
        ):
            value = value[int(key)]
        else:
            return _ABSENT
    return value
