"""The scenarios of the storage kit are numbered, cited, and complete."""

import inspect
import re
from collections import Counter

from whatsnext_core.storage import NearStorage, Storage, Writer
from whatsnext_core.testing import NearStorageConformance, StorageConformance

SCENARIOS = {
    name: inspect.getdoc(method) or ""
    for kit in (StorageConformance, NearStorageConformance)
    for name, method in inspect.getmembers(kit, inspect.isfunction)
    if name.startswith("test_")
}


def test_every_scenario_has_its_own_number_and_names_what_it_holds_a_backend_to() -> None:
    numbers = Counter[str]()
    for name, text in SCENARIOS.items():
        match = re.match(r"([A-Z]\d\d) \(([\w., ]+)\): .+[.?]", text.partition("\n")[0])
        assert match, f"{name} begins with no number and citation: {text!r}"
        numbers[match[1]] += 1
    assert [number for number, times in numbers.items() if times > 1] == []


def test_every_method_of_the_contract_is_cited() -> None:
    cited = {
        word.rpartition(".")[2]
        for text in SCENARIOS.values()
        for word in re.findall(r"[\w.]+", text[text.index("(") : text.index("):")])
    }
    methods = {
        name for protocol in (Writer, Storage, NearStorage) for name in dir(protocol) if not name.startswith("_")
    }
    assert methods - cited == set()
