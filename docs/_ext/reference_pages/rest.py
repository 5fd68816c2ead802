"""The REST endpoints, as the application's OpenAPI document describes them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from reference_pages.markdown import code, fenced, paragraph, table

__all__ = ["operations", "render"]

Document: TypeAlias = Mapping[str, Any]

METHODS = ("get", "post", "put", "patch", "delete")


def operations(openapi: Document) -> list[tuple[str, str, Document]]:
    """Return (method, path, description) of every operation, in the document's order."""
    return [
        (method.upper(), path, item[method])
        for path, item in openapi["paths"].items()
        for method in METHODS
        if method in item
    ]


def render(openapi: Document) -> str:
    """Return all endpoints by tag, then all schemas, as Markdown with headings of the second and third level."""
    schemas = openapi.get("components", {}).get("schemas", {})
    words = {tag["name"]: tag.get("description", "") for tag in openapi.get("tags", ())}
    by_tag: dict[str, list[str]] = {name: [] for name in words}
    for method, path, operation in operations(openapi):
        tag = next(iter(operation.get("tags", ())), "other")
        by_tag.setdefault(tag, []).append(_operation(method, path, operation, schemas))
    parts = []
    for tag, texts in by_tag.items():
        if texts:
            parts += [f"## {tag.capitalize()}\n", paragraph(words.get(tag, "")) + "\n", *texts]
    if schemas:
        parts += ["## Schemas\n", *(_schema(name, schema) for name, schema in sorted(schemas.items()))]
    return "\n".join(parts)


_WORDS = {
    "Successful Response": "Done.",
    "Validation Error": "The body or a parameter has the wrong shape.",
}
"""Better words for those that the framework gives."""


def _operation(method: str, path: str, operation: Document, schemas: Document) -> str:
    parts = [f"### {method} {path}\n"]
    if summary := operation.get("summary"):
        parts.append(f"**{paragraph(summary)}**\n")
    parts.append(paragraph(operation.get("description")) + "\n")
    if parameters := operation.get("parameters"):
        rows = [
            (
                code(each["name"]),
                each["in"] + (", required" if each.get("required") and each["in"] != "path" else ""),
                kind(each.get("schema", {})),
                _default(each.get("schema", {})),
                each.get("description") or each.get("schema", {}).get("description", ""),
            )
            for each in parameters
        ]
        parts.append(table(("parameter", "in", "type", "default", "meaning"), rows))
    if body := operation.get("requestBody"):
        for media, content in body.get("content", {}).items():
            optional = "" if body.get("required") else " (optional)"
            parts.append(f"Body{optional}: {kind(content.get('schema', {}))} as {code(media)}.\n")
            named = schemas.get(content.get("schema", {}).get("$ref", "").rpartition("/")[2], {})
            parts += [fenced(example) for example in [*_examples(content), *named.get("examples", ())][:1]]
    answers, shown = [], []
    for status, answer in sorted(operation.get("responses", {}).items()):
        content = answer.get("content", {})
        forms = ", ".join(dict.fromkeys(f"{kind(each.get('schema', {}))}" for each in content.values()))
        words = answer.get("description", "")
        answers.append((code(status), forms, _WORDS.get(words, words)))
        if status.startswith("2"):
            shown += [
                f"Answer {code(status)}:\n\n{fenced(example)}"
                for each in content.values()
                for example in _examples(each)
            ]
    parts.append(table(("status", "answer", "meaning"), answers))
    return "\n".join([*parts, *shown])


def _examples(content: Document) -> Iterator[Any]:
    if "example" in content:
        yield content["example"]
    for example in content.get("examples", {}).values():
        yield example.get("value")


def _schema(name: str, schema: Document) -> str:
    parts = [f"(schema-{name.lower()})=\n### {name}\n", paragraph(schema.get("description")) + "\n"]
    if values := schema.get("enum"):
        parts.append("One of " + ", ".join(code(value) for value in values) + ".\n")
    required = set(schema.get("required", ()))
    rows = [
        (
            code(field) + (", required" if field in required else ""),
            kind(form),
            _default(form),
            _json_words("; ".join(part for part in (form.get("description", "").rstrip("."), _bounds(form)) if part)),
        )
        for field, form in schema.get("properties", {}).items()
    ]
    if rows:
        parts.append(table(("field", "type", "default", "meaning"), rows))
    parts += [f"Example:\n\n{fenced(example)}" for example in [*schema.get("examples", ()), *_single(schema)]]
    return "\n".join(parts)


def _single(schema: Document) -> list[Any]:
    return [schema["example"]] if "example" in schema else []


def kind(schema: Document) -> str:
    """Return the type that a schema describes, as words; a named one is a link."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#schema-{name.lower()})"
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(kind(each) for each in schema[several]))
    if "allOf" in schema:
        return " and ".join(kind(each) for each in schema["allOf"])
    if "const" in schema:
        return code(schema["const"])
    if "enum" in schema:
        return " or ".join(code(value) for value in schema["enum"])
    match schema.get("type"):
        case "array":
            return f"list of {kind(schema.get('items', {}))}"
        case "object" if isinstance(schema.get("additionalProperties"), Mapping):
            return f"object of {kind(schema['additionalProperties'])}"
        case None:
            return "any JSON"
        case name:
            return f"{name} ({schema['format']})" if "format" in schema else str(name)


def _json_words(text: str) -> str:
    """Names of Python's values, in descriptions that come from the classes, as JSON has them."""
    return re.sub(r"\bNone\b", "null", text)


def _default(schema: Document) -> str:
    return code(schema["default"]) if schema.get("default") is not None else ""


_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "more than {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "less than {}",
    "minLength": "at least {} characters",
    "maxLength": "at most {} characters",
    "maxItems": "at most {} members",
}


def _bounds(schema: Document) -> str:
    forms = [schema, *schema.get("anyOf", ())]
    return ", ".join(words.format(form[key]) for form in forms for key, words in _BOUNDS.items() if key in form)
