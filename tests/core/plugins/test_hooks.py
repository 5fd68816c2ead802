"""Every hook is documented, tested and pinned."""

import importlib
import inspect
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import attrs
import pytest

from tests.support import ROOT
from whatsnext_core.plugins.loading import descriptor_types

GOLDEN = Path(__file__).with_name("golden") / "hooks.json"
GROUPS = {
    "whatsnext": "whatsnext_core.hookspecs",
    "whatsnext.client": "whatsnext_client.hookspecs",
    "whatsnext.server": "whatsnext_server.hookspecs",
}
SPECS: dict[str, ModuleType] = {group: importlib.import_module(name) for group, name in GROUPS.items()}
HOOKS = {hook: module for module in SPECS.values() for hook in descriptor_types(module)}
PAGE = (ROOT / "docs" / "reference" / "hooks.md").read_text()


def documents(page: str, directive: str, thing: Any) -> bool:
    """Whether a page has a directive that shows the docstring of a thing."""
    name = re.escape(f"{thing.__module__}.{thing.__qualname__}")
    return re.search(rf"^\.\. {directive}:: {name}$", page, re.MULTILINE) is not None


def field_description(field: "attrs.Attribute[Any]") -> str:
    return f"{field.type}" + ("" if field.default is attrs.NOTHING else f" = {field.default!r}")


def described(specs: ModuleType) -> dict[str, Any]:
    """The hooks of a group, with their signatures and the fields of their descriptors."""
    found = {}
    for hook, descriptor in sorted(descriptor_types(specs).items()):
        fields = {field.name: field_description(field) for field in attrs.fields(descriptor)}
        found[hook] = {"signature": str(inspect.signature(getattr(specs, hook))), descriptor.__name__: fields}
    return found


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_documented_with_its_descriptor(hook: str) -> None:
    assert documents(PAGE, "autofunction", getattr(HOOKS[hook], hook))
    assert documents(PAGE, "autoclass", descriptor_types(HOOKS[hook])[hook])


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hooks_docstring_says_when_where_what_on_failure_and_since_when(hook: str) -> None:
    text = inspect.getdoc(getattr(HOOKS[hook], hook)) or ""
    assert re.match(r"Return the [a-z ]+ of this plugin\.", text)
    for words in ("Called in ", "fail", "Example::", "@hookimpl", f"def {hook}():", ".. versionadded:: "):
        assert words in text


@pytest.mark.parametrize("hook", HOOKS)
def test_every_hook_is_implemented_in_some_test(hook: str) -> None:
    files = [file for file in (ROOT / "tests").rglob("*.py") if file.name != Path(__file__).name]
    implementations = [file for file in files if re.search(rf"def {hook}\(\)", file.read_text())]
    assert implementations, f"No test has a plugin that implements {hook}."


def test_hooks_and_descriptors_are_what_plugins_were_written_for() -> None:
    now = {group: described(specs) for group, specs in SPECS.items()}
    text = json.dumps(now, indent=2) + "\n"
    assert json.loads(GOLDEN.read_text()) == now, (
        f"A hook or descriptor changed. Hooks keep their signatures; descriptors gain only fields with defaults. "
        f"If this change does no more than that, write this to {GOLDEN.relative_to(ROOT)}:\n{text}"
    )


def test_descriptors_are_frozen_and_given_by_keyword() -> None:
    for hook, module in HOOKS.items():
        descriptor = descriptor_types(module)[hook]
        assert all(field.kw_only for field in attrs.fields(descriptor))
        made = descriptor(**{field.name: None for field in attrs.fields(descriptor)})
        with pytest.raises(attrs.exceptions.FrozenInstanceError):
            made.name = "other"


def test_a_hook_that_is_not_documented_is_found() -> None:
    specs = SPECS["whatsnext"]
    page = PAGE.replace(".. autofunction:: whatsnext_core.hookspecs.whatsnext_formatters\n", "")
    assert documents(PAGE, "autofunction", specs.whatsnext_formatters)
    assert not documents(page, "autofunction", specs.whatsnext_formatters)


def test_a_changed_descriptor_is_found() -> None:
    @attrs.frozen(kw_only=True)
    class FormatterPlugin:
        name: str
        factory: int = 3

    specs = ModuleType("specs")
    exec("def whatsnext_formatters(config) -> 'list[FormatterPlugin]': ...", vars(specs))  # noqa: S102  # a changed hook
    vars(specs)["FormatterPlugin"] = FormatterPlugin
    assert described(specs) == {
        "whatsnext_formatters": {
            "signature": "(config) -> 'list[FormatterPlugin]'",
            "FormatterPlugin": {"name": "<class 'str'>", "factory": "<class 'int'> = 3"},
        }
    }
