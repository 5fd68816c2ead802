"""One plugin's trouble is its own, and its cause is told."""

import textwrap

import pytest

from tests.core.plugins.conftest import Install
from tests.core.plugins.toys import Toy, formatter
from whatsnext_core.plugins import LoadState, Plugins, load_plugins

GOOD = Toy(name="good-dist", version="2.3", plugins={"good": formatter("fine")})

BROKEN = {
    "a missing import": ("import nothing_of_this_name", "ModuleNotFoundError: No module named 'nothing_of_this_name'"),
    "a syntax error": ("def :", "SyntaxError: "),
    "an exit at import": ("raise SystemExit('bye')", "SystemExit: bye"),
    "an error without words": ("raise ValueError", "ValueError"),
    "no hook": ("x = 1", "it implements no hook; a hook is a function of the hook's name, marked with @hookimpl"),
    "an old signature": (
        """
        from whatsnext_core.hookspecs import hookimpl
        @hookimpl
        def whatsnext_formatters(config):
            return []
        """,
        "PluginValidationError: ",
    ),
    "an unknown hook": (
        """
        from whatsnext_core.hookspecs import hookimpl
        @hookimpl
        def whatsnext_formatters():
            return []
        @hookimpl
        def whatsnext_engines():
            return []
        """,
        "it implements whatsnext_engines, but the hooks of the group toys are whatsnext_formatters, ",
    ),
    "a wrapper": (
        """
        from whatsnext_core.hookspecs import hookimpl
        @hookimpl(wrapper=True)
        def whatsnext_formatters():
            return (yield)
        """,
        "its whatsnext_formatters is a wrapper; a hook of WhatsNext returns its own descriptors only",
    ),
    "a wrapper of the old kind": (
        """
        from whatsnext_core.hookspecs import hookimpl
        @hookimpl(hookwrapper=True)
        def whatsnext_formatters():
            yield
        """,
        "its whatsnext_formatters is a wrapper; a hook of WhatsNext returns its own descriptors only",
    ),
    "a hook that raises": (
        """
        from whatsnext_core.hookspecs import hookimpl
        @hookimpl
        def whatsnext_formatters():
            raise RuntimeError("no\\nlicense")
        """,
        "RuntimeError: no license",
    ),
    "a hook that returns nothing": (
        """
        from whatsnext_core.hookspecs import hookimpl
        @hookimpl
        def whatsnext_formatters():
            pass
        """,
        "whatsnext_formatters returned None; expected a list of FormatterPlugin",
    ),
    "a hook that returns a string": (
        """
        from whatsnext_core.hookspecs import hookimpl
        @hookimpl
        def whatsnext_formatters():
            return "slurm"
        """,
        "whatsnext_formatters returned 'slurm'; expected a list of FormatterPlugin",
    ),
    "a descriptor of another kind": (
        """
        from whatsnext_core.hookspecs import ProbePlugin, hookimpl
        @hookimpl
        def whatsnext_formatters():
            return [ProbePlugin(name="x", summary="", factory=lambda config: None)]
        """,
        "whatsnext_formatters returned ProbePlugin(name='x'",
    ),
    "a descriptor of an unknown field": (
        """
        from whatsnext_core.hookspecs import FormatterPlugin, hookimpl
        @hookimpl
        def whatsnext_formatters():
            return [FormatterPlugin(name="x", summary="", factory=lambda config: None, colour="red")]
        """,
        "TypeError: FormatterPlugin.__init__() got an unexpected keyword argument 'colour'",
    ),
    "a descriptor without a name": (
        formatter(" "),
        "whatsnext_formatters returned a FormatterPlugin whose name is ' '",
    ),
}


def load(*disabled: str) -> tuple[Plugins, list[str]]:
    lines: list[str] = []
    return load_plugins("toys", disabled=disabled, warn=lines.append), lines


def test_a_plugin_offers_what_its_hook_returns(install: Install) -> None:
    install(GOOD)
    plugins, lines = load()
    provided = plugins.formatters()["fine"]
    assert provided.descriptor.summary == "A toy."
    assert provided.source == "good-dist 2.3 (plugin 'good')"
    assert lines == []
    (state,) = plugins.report()
    assert (state.key, state.state, state.error) == ("toys:good-dist:good", LoadState.LOADED, None)
    assert state.hooks == ("whatsnext_formatters",)
    assert state.offers == ("formatter fine",)


@pytest.mark.parametrize(("source", "cause"), BROKEN.values(), ids=BROKEN)
def test_a_broken_plugin_costs_one_line_and_the_others_go_on(install: Install, source: str, cause: str) -> None:
    install(Toy(name="bad-dist", version="0.1", plugins={"bad": textwrap.dedent(source)}), GOOD)
    plugins, (line,) = load()
    assert line.startswith(f"Plugin 'bad' of bad-dist 0.1 is broken: {cause}")
    assert line.endswith(
        "Upgrade or uninstall bad-dist, or disable the plugin by "
        'disabled_plugins = ["bad"] in the config file or WHATSNEXT_DISABLED_PLUGINS=bad.'
    )
    assert "\n" not in line
    assert plugins.formatters().keys() == {"fine"}
    broken, good = plugins.report()
    assert (broken.state, broken.offers) == (LoadState.BROKEN, ())
    assert broken.error is not None
    assert broken.error.startswith(cause)
    assert good.state is LoadState.LOADED


@pytest.mark.parametrize("name", ["bad", "BAD", "bad-dist", "bad_dist", "bad-dist:bad", "toys:bad-dist:bad"])
def test_a_disabled_plugin_is_not_even_imported(install: Install, name: str) -> None:
    install(Toy(name="bad-dist", plugins={"bad": "raise SystemExit('imported')"}), GOOD)
    plugins, lines = load(name)
    assert lines == []
    assert [state.state for state in plugins.report()] == [LoadState.DISABLED, LoadState.LOADED]


def test_one_entry_point_name_in_two_distributions_is_no_clash(install: Install) -> None:
    install(
        Toy(name="a-dist", plugins={"same": formatter("one")}),
        Toy(name="b-dist", plugins={"same": formatter("two")}),
    )
    plugins, lines = load()
    assert lines == []
    assert {name: one.distribution for name, one in plugins.formatters().items()} == {"one": "a-dist", "two": "b-dist"}


def test_what_disables_a_plugin_names_no_other_one(install: Install) -> None:
    install(
        Toy(name="a-dist", plugins={"same": formatter("one")}),
        Toy(name="b-dist", plugins={"same": "raise ValueError('broken')"}),
    )
    _, (line,) = load()
    assert 'disabled_plugins = ["b-dist:same"]' in line
    plugins, lines = load("b-dist:same")
    assert lines == []
    assert plugins.formatters().keys() == {"one"}


def test_a_distribution_without_metadata_still_has_its_plugins(install: Install) -> None:
    install(Toy(name="odd-dist", version=None, plugins={"odd": formatter("fine")}))
    (state,) = load()[0].report()
    assert (state.distribution, state.version, state.state) == ("(unknown)", "(unknown)", LoadState.LOADED)


def test_an_interrupt_at_import_passes_on(install: Install) -> None:
    install(Toy(name="slow-dist", plugins={"slow": "raise KeyboardInterrupt"}))
    with pytest.raises(KeyboardInterrupt):
        load()
