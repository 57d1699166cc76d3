"""scikit-learn's own tests of its scalers, run on ours by the plugin ``swap_scalers``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: They call functions like ``maxabs_scale`` with all parameters of our scaler, ``axis`` too,
#: which there means another thing.
FUNCTIONS = (
    "test_missing_value_handling and (maxabs_scale or minmax_scale or scale or robust_scale)"
)


@pytest.mark.parametrize(
    ("module", "dispatch"), [("test_data", "0"), ("test_data", "1"), ("test_common", "0")]
)
def test_what_scikit_learn_asks_of_its_scalers_ours_do(module, dispatch, tmp_path):
    command = [
        *(sys.executable, "-m", "pytest", "--pyargs"),
        f"sklearn.preprocessing.tests.{module}",
        *("-p", "tests.swap_scalers", "-p", "no:cacheprovider", "-q", "-c", os.devnull),
        *("--rootdir", str(tmp_path), "-k", f"not ({FUNCTIONS})"),
    ]
    environment = {**os.environ, "SCIPY_ARRAY_API": dispatch}
    environment.pop("PYTEST_ADDOPTS", None)
    root = Path(__file__).parents[1]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
