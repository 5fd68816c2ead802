"""The parts of the reference that are made from the programs say what the programs say."""

import click
import pytest
from attrs import field, frozen
from sphinx.errors import ExtensionError

from reference_pages.commands import render as render_commands
from reference_pages.pages import fill
from reference_pages.rest import render as render_rest
from reference_pages.settings import render_settings

OPENAPI = {
    "tags": [{"name": "jobs", "description": "What runs."}],
    "paths": {
        "/jobs/{job_id}": {
            "put": {
                "tags": ["jobs"],
                "summary": "Change a job",
                "description": "One or the other | both.",
                "parameters": [{"name": "job_id", "in": "path", "required": True, "schema": {"type": "integer"}}],
                "requestBody": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Change"}}}},
                "responses": {"404": {"description": "No such job."}, "200": {"description": "Successful Response"}},
            }
        }
    },
    "components": {
        "schemas": {
            "Change": {
                "description": "What shall change.",
                "required": ["name"],
                "properties": {
                    "name": {"type": "string", "maxLength": 255, "description": "New name; None keeps it."},
                    "labels": {"type": "array", "items": {"type": "string"}},
                    "limit": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}], "default": 1.5},
                },
                "examples": [{"name": "other"}],
            }
        }
    },
}


def test_an_operation_has_its_parameters_its_body_its_answers_and_an_example() -> None:
    text = render_rest(OPENAPI)
    assert "## Jobs\n\nWhat runs.\n\n### PUT /jobs/{job_id}\n\n**Change a job**\n\nOne or the other | both." in text
    assert "| `job_id` | path | integer |" in text
    assert "Body (optional): [Change](#schema-change) as `application/json`." in text
    assert '```json\n{\n  "name": "other"\n}\n```' in text
    assert text.index("| `200` | Done. |") < text.index("| `404` | No such job. |")


def test_a_schema_has_its_fields_with_types_defaults_and_bounds() -> None:
    text = render_rest(OPENAPI)
    assert "(schema-change)=\n### Change\n\nWhat shall change." in text
    assert "| `name`, required | string |  | New name; null keeps it; at most 255 characters |" in text
    assert "| `labels` | list of string |  |  |" in text
    assert "| `limit` | number or null | `1.5` | at least 0 |" in text


@click.group()
@click.option("--verbose", is_flag=True, help="Say *more*.")
def program() -> None:
    """Does things."""


@program.command(help="Make one.\n\n\b\n  make  it\n    so")
@click.option("--size", type=int, default=3, show_default=True, help="How large.")
@click.argument("name")
def make(name: str, size: int) -> None:
    click.echo(f"{name} {size}")


def test_a_command_has_its_usage_its_help_and_its_options() -> None:
    text = render_commands(program, "thing")
    assert "## thing\n" in text
    assert r"| `--verbose` | Say \*more\*. |" in text
    assert "| `thing make` | Make one. |" in text
    assert "### thing make\n\n```text\nthing make [OPTIONS] NAME\n```\n\nMake one." in text
    assert "```text\nmake  it\n  so\n```" in text
    assert r"| `--size INTEGER` | How large.  \[default: 3\] |" in text


@frozen(kw_only=True)
class Settings:
    """Example."""

    host: str = "here"
    """Where."""
    keys: tuple[str, ...] = field(default=("a", "b"))
    """Which, ``a`` or ``b``."""
    limit: float | None = None
    needed: bool
    """Whether."""


def test_a_setting_has_its_type_default_and_variable() -> None:
    text = render_settings(Settings)
    assert "| `host` | text | `here` | `WHATSNEXT_HOST` |" in text
    assert "| `keys` | list of text | `a`, `b` | `WHATSNEXT_KEYS` |" in text
    assert "| `limit` | number or none | none | `WHATSNEXT_LIMIT` |" in text
    assert "| `needed` | true or false | required | `WHATSNEXT_NEEDED` |" in text


def test_settings_of_a_plugin_have_no_variables() -> None:
    assert "WHATSNEXT_" not in render_settings(Settings, environment=False)


def test_a_page_that_asks_for_an_unknown_part_is_refused() -> None:
    with pytest.raises(ExtensionError, match="no such part"):
        fill("<!-- made from the programs: poems -->")


def test_a_page_without_generated_parts_stays_as_it_is() -> None:
    assert fill("# Title\n\n<!-- a comment -->\n") == "# Title\n\n<!-- a comment -->\n"
