"""The tables of runs name tests that there are: one that is renamed would leave its run unseen."""

import re
from pathlib import Path

import pytest

from .runs import ANY_VERSION, BACKENDS, JAX, X64


@pytest.mark.parametrize("table", [BACKENDS, JAX, X64, ANY_VERSION], ids=range(4))
def test_each_name_in_a_table_is_that_of_a_test(table):
    for file, tests in table.items():
        text = (Path(__file__).parent / f"test_{file}.py").read_text(encoding="utf-8")
        for name in tests.names:
            start = re.escape(name.partition("[")[0])
            assert re.search(rf"^def test_{start}", text, re.MULTILINE), (file, name)


def test_the_run_of_a_test_depends_on_its_name_and_parameters(request):
    kept = ANY_VERSION["training_compiled"]
    assert not kept.have("test_weights_and_history_are_those_of_keras[mlp]")
    assert kept.have("test_weights_and_history_are_those_of_keras[lstm]")
    assert [mark.name for mark in request.node.own_markers] == ["versions"]
