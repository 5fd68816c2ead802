"""The checks of the pages find what is wrong with one."""

from pathlib import Path

import pytest

from tests.docs.matching import matches
from tests.docs.runner import PageRun
from tests.docs.snippets import commands, snippets
from tests.docs.syntax import check_syntax

PAGE = Path("page.md")


def run(text: str, folder: Path) -> None:
    with PageRun(folder) as page:
        for snippet in snippets(PAGE, text):
            page.run(snippet)
        page.end()


def block(language: str, *lines: str, before: str = "") -> str:
    return "\n".join([before, f"```{language}", *lines, "```", ""])


def test_commands_share_a_folder_and_variables(tmp_path: Path) -> None:
    run(
        block("console", "$ X=5; mkdir a; cd a") + block("console", "$ echo $X in $(basename $PWD)", "5 in a"), tmp_path
    )


def test_a_command_goes_on_over_several_lines(tmp_path: Path) -> None:
    run(block("console", "$ cat > f <<'END'", "1", "END", "$ cat f \\", "  f", "1", "1"), tmp_path)


def test_python_blocks_share_one_session_and_see_exported_variables(tmp_path: Path) -> None:
    text = block("console", "$ export COLOUR=red") + block("python", "import os", "c = os.environ['COLOUR']")
    run(text + block("python", "print(c)") + block("text", "red", before="<!-- prints -->"), tmp_path)


def test_a_block_with_a_caption_is_written_to_that_file(tmp_path: Path) -> None:
    run(
        block("{code-block} python", ":caption: a.py", "", "print(7)") + block("console", "$ python a.py", "7"),
        tmp_path,
    )


def test_ports_are_replaced_by_free_ones(tmp_path: Path) -> None:
    with PageRun(tmp_path) as page:
        assert page.adapt("http://localhost:8000/ and 18000") == f"http://localhost:{page.ports['8000']}/ and 18000"


def test_the_status_of_a_command_that_fails_can_be_asked_for(tmp_path: Path) -> None:
    run(block("console", "$ false", "$ echo $?", "1"), tmp_path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (block("console", "$ false"), "ended with 1"),
        (block("console", "$ echo no", "yes"), "but the page shows"),
        (block("python", "1 / 0"), r'(?s)"page\.md", line 3'),
        (block("python", "print(1)") + block("text", "2", before="<!-- prints -->"), "the code before it printed"),
        (block("console", "$ exit 3"), "ended the session"),
        (block("toml", "a ="), "is no toml"),
        (block("toml", "[server]", "prot = 1"), "prot"),
        (block("toml", "[plugins.cli]", "skript = 1"), "skript"),
        (block("json", "{a: 1}"), "is no json"),
        (block("perl", "1"), "nobody checks"),
        (block("console", "output"), "output before the first command"),
        ("```python\n", "never closed"),
    ],
)
def test_what_is_wrong_is_found(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        run(text, tmp_path)


def test_a_block_that_is_not_run_is_still_read(tmp_path: Path) -> None:
    run(block("console", "$ false", before="<!-- not run: it fails -->"), tmp_path)
    with pytest.raises(AssertionError, match="is no python"):
        check_syntax(snippets(PAGE, block("python", "a b", before="<!-- not run: it fails -->"))[0])


def test_a_reason_is_read_from_the_comment_before_a_block() -> None:
    first, second = snippets(PAGE, block("text", "a", before="<!-- not run: too slow -->\n") + block("text", "b"))
    assert (first.reason, second.reason) == ("too slow", None)


def test_blocks_inside_a_note_are_found() -> None:
    [snippet] = snippets(PAGE, ":::{note}\n  ```console\n  $ true\n  ```\n:::\n")
    assert (snippet.line, commands(snippet)[0].text) == (3, "true")


@pytest.mark.parametrize(
    ("expected", "actual", "same"),
    [
        (["a", "..."], "a", True),
        (["a", "...", "d"], "a\nb\nc\nd\n", True),
        (["a", "...", "d"], "a\nb\nc\n", False),
        (["job ... is done"], "job 17 is done", True),
        (["job ... is done"], "job 17\nis done", False),
        (["│ a │ b │", "├───┤"], "│ a   │   b │\n├────────┤", True),
        (["a.c"], "abc", False),
    ],
)
def test_three_dots_stand_for_anything(expected: list[str], actual: str, *, same: bool) -> None:
    assert matches(expected, actual) is same
