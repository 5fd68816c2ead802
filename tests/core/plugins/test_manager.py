"""Plugins are selected by name; what cannot be selected says why and what to do."""

import textwrap

import pytest

from tests.core.plugins.conftest import Install
from tests.core.plugins.toys import Toy, formatter
from whatsnext_core import hookspecs
from whatsnext_core.errors import PluginError
from whatsnext_core.plugins import LoadState, Plugins, load_plugins


def storage(name: str, *schemes: str) -> str:
    """The source of a plugin that offers one storage backend."""
    return textwrap.dedent(f"""\
        from whatsnext_core.hookspecs import NotifierPlugin, ProbePlugin, StorageBackend, hookimpl

        @hookimpl
        def whatsnext_storage_backends():
            return [StorageBackend(name={name!r}, summary="A toy.", schemes={schemes!r}, open=lambda url, config: None)]

        @hookimpl
        def whatsnext_resource_probes():
            return [ProbePlugin(name="probe-" + {name!r}, summary="A toy.", factory=lambda config: None)]

        @hookimpl
        def whatsnext_notifiers():
            return iter([NotifierPlugin(name="tell-" + {name!r}, summary="A toy.", factory=lambda config: None)])
        """)


def load(*disabled: str) -> tuple[Plugins, list[str]]:
    lines: list[str] = []
    return load_plugins("toys", disabled=disabled, warn=lines.append), lines


def refusal(plugins: Plugins, name: str) -> str:
    with pytest.raises(PluginError) as caught:
        plugins.select_formatter(name)
    return str(caught.value)


def test_each_kind_is_listed_and_selected_by_name(install: Install) -> None:
    install(
        Toy(name="a-dist", plugins={"a": formatter("cli", "at")}),
        Toy(name="b-dist", plugins={"b": storage("ring", "ring")}),
    )
    plugins, lines = load()
    assert lines == []
    assert list(plugins.formatters()) == ["at", "cli"]
    assert list(plugins.storage_backends()) == ["ring"]
    assert list(plugins.probes()) == ["probe-ring"]
    assert list(plugins.notifiers()) == ["tell-ring"]
    assert plugins.select_formatter("at").distribution == "a-dist"
    assert plugins.select_notifier("tell-ring").descriptor.name == "tell-ring"
    assert plugins.select("whatsnext_resource_probes", "probe-ring").plugin == "b"


@pytest.mark.parametrize("url", ["ring://somewhere", "RING:x", "ring+fast://u:p@h/q"])
def test_a_storage_is_selected_by_the_scheme_of_the_url(install: Install, url: str) -> None:
    install(Toy(name="b-dist", plugins={"b": storage("loop", "loop", "Ring")}))
    assert load()[0].select_storage(url).descriptor.name == "loop"


@pytest.mark.parametrize("url", ["", "q.db", "host=db password=hunter2", "/var/lib/q.db"])
def test_a_database_that_is_no_url_is_refused_without_showing_it(install: Install, url: str) -> None:
    install(Toy(name="b-dist", plugins={"b": storage("loop", "loop")}))
    with pytest.raises(PluginError, match=r"not given as a URL; expected something like sqlite:///q\.db") as caught:
        load()[0].select_storage(url)
    assert "hunter2" not in str(caught.value)


def test_an_unknown_scheme_lists_the_known_ones_and_shows_no_password(install: Install) -> None:
    install(Toy(name="b-dist", plugins={"b": storage("loop", "loop", "ring")}))
    with pytest.raises(PluginError) as caught:
        load()[0].select_storage("mysql://root:hunter2@db/q")
    assert str(caught.value) == (
        "Plugin for the storage backend for databases mysql: not found in the group 'toys'; installed are: loop, ring. "
        "Make sure that the package providing it is installed."
    )


@pytest.mark.parametrize("url", ["sqlite:///q.db", "postgresql+psycopg://h/q"])
def test_a_missing_well_known_storage_names_its_package(install: Install, url: str) -> None:
    install()
    with pytest.raises(PluginError, match=r"\(pip install whatsnext-storage-sql\)"):
        load()[0].select_storage(url)


def test_a_missing_plugin_lists_the_others_and_the_package_of_a_well_known_one(install: Install) -> None:
    install(Toy(name="a-dist", plugins={"a": formatter("cli", "at")}))
    plugins, _ = load()
    assert refusal(plugins, "slurm") == (
        "Plugin for the formatter 'slurm' not found in the group 'toys'; installed are: at, cli. "
        "Install the package that provides it (pip install whatsnext-formatter-slurm)."
    )
    assert refusal(plugins, "ta").endswith("Make sure that the package providing it is installed.")


def test_a_missing_plugin_tells_of_broken_and_disabled_ones(install: Install) -> None:
    install(
        Toy(name="whatsnext-formatter-slurm", version="9", plugins={"slurm": "raise ValueError('too old')"}),
        Toy(name="z-dist", version="8", plugins={"z": formatter("z")}),
    )
    text = refusal(load("z")[0], "slurm")
    assert "installed are: none." in text
    assert "pip install" not in text
    assert "Disabled by the configuration: 'z' of z-dist 8." in text
    assert "Plugin 'slurm' of whatsnext-formatter-slurm 9 is broken: ValueError: too old." in text
    assert "WHATSNEXT_DISABLED_PLUGINS=slurm" in text


def test_one_descriptor_name_in_two_distributions_names_both_and_uses_neither(install: Install) -> None:
    install(
        Toy(name="a-dist", version="1", plugins={"a": formatter("at", "other")}),
        Toy(name="b-dist", version="2", plugins={"b": formatter("at")}),
    )
    plugins, (line,) = load()
    assert line == (
        "The formatter 'at' is offered by a-dist 1 (plugin 'a') and b-dist 2 (plugin 'b'); none of them is used. "
        "Uninstall one of the packages, or disable one of the plugins, the last by "
        'disabled_plugins = ["b"] in the config file or WHATSNEXT_DISABLED_PLUGINS=b.'
    )
    assert plugins.formatters().keys() == {"other"}
    assert refusal(plugins, "at") == line
    assert [(state.state, state.error) for state in plugins.report()] == [(LoadState.LOADED, line)] * 2
    plugins, lines = load("a")
    assert lines == []
    assert plugins.select_formatter("at").distribution == "b-dist"


def test_one_scheme_in_two_backends_names_both_distributions(install: Install) -> None:
    install(
        Toy(name="a-dist", plugins={"a": storage("x", "ring", "x")}),
        Toy(name="b-dist", plugins={"b": storage("y", "ring")}),
    )
    plugins, (line,) = load()
    assert line.startswith("The storage backend for the scheme 'ring' is offered by a-dist 1.0 (plugin 'a') and b-dist")
    with pytest.raises(PluginError, match="scheme 'ring' is offered by a-dist"):
        plugins.select_storage("ring://x")
    assert plugins.select_storage("x://y").descriptor.name == "x"
    assert [state.error for state in plugins.report()] == [line, line]


def test_two_backends_of_one_name_are_one_clash_and_no_backend(install: Install) -> None:
    install(
        Toy(name="a-dist", plugins={"a": storage("x", "x")}),
        Toy(name="b-dist", plugins={"b": storage("x", "y")}),
    )
    plugins, lines = load()
    assert [line.partition(" is offered")[0] for line in lines] == [
        "The storage backend 'x'",
        "The resource probe 'probe-x'",
        "The notifier 'tell-x'",
    ]
    with pytest.raises(PluginError, match="storage backend 'x' is offered by a-dist"):
        plugins.select_storage("y:")


def test_without_a_taker_the_lines_go_to_stderr(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(Toy(name="bad-dist", plugins={"bad": "raise ValueError('broken')"}))
    load_plugins("toys", hookspecs)
    assert capsys.readouterr().err.count("\n") == 1


def test_a_group_without_storages_has_no_schemes_to_clash(install: Install) -> None:
    specs = type(hookspecs)("toy_specs")
    specs.whatsnext_formatters = hookspecs.whatsnext_formatters  # type: ignore[attr-defined]  # a module of its own
    install(Toy(name="a-dist", plugins={"a": formatter("at")}))
    lines: list[str] = []
    plugins = load_plugins("toys", specs, warn=lines.append)
    assert lines == []
    assert list(plugins.descriptors("whatsnext_formatters")) == ["at"]
