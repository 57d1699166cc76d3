import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

import sklearn_keras_scaling as sks

ROOT = Path(__file__).parents[1]


def test_every_public_name_can_be_imported_and_is_listed():
    assert set(sks.__all__) == set(sks._HOMES)
    assert set(sks.__all__) <= set(dir(sks))
    for name in sks.__all__:
        assert getattr(sks, name).__doc__


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'StandartScaler'"):
        sks.StandartScaler  # noqa: B018  # the access is the test


def test_the_version_has_one_home():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    assert sks.__version__ == setup["metadata"]["version"]


def test_importing_the_package_imports_neither_keras_nor_scikit_learn():
    code = (
        "import sys, sklearn_keras_scaling; "
        "sys.exit(str({'keras', 'sklearn', 'numpy'} & set(sys.modules) or ''))"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.stderr.strip() == ""


def test_lower_bounds_are_the_ones_that_are_tested():
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    stated = setup["options"]["install_requires"].split()
    lines = (ROOT / "requirements-lowest.txt").read_text().splitlines()
    pinned = [line.partition(";")[0] for line in lines]
    assert {requirement.replace(">=", "==") for requirement in stated} <= set(pinned)
