"""The line below each field of a class of the model: the schemas describe a field where it is defined, once."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from functools import cache
from types import ModuleType


@cache
def field_docs(cls: type) -> Mapping[str, str]:
    """Return the documented fields of ``cls`` and the classes it inherits from, each with its line."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        module = sys.modules.get(base.__module__)
        if module is not None and base.__module__.partition(".")[0].startswith("whatsnext"):
            found |= _module_docs(module).get(base.__qualname__, {})
    return found


def class_doc(cls: type) -> str:
    """Return the first paragraph of the docstring of ``cls`` on one line."""
    return " ".join((inspect.getdoc(cls) or "").split("\n\n")[0].split())


@cache
def _module_docs(module: ModuleType) -> Mapping[str, dict[str, str]]:
    classes = [node for node in ast.parse(inspect.getsource(module)).body if isinstance(node, ast.ClassDef)]
    return {node.name: _class_docs(node) for node in classes}


def _class_docs(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for statement, following in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(following, ast.Expr)
            and isinstance(following.value, ast.Constant)
            and isinstance(following.value.value, str)
        ):
            found[statement.target.id] = " ".join(inspect.cleandoc(following.value.value).replace("``", "`").split())
    return found


__all__ = ["class_doc", "field_docs"]
