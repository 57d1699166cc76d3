"""scikit-learn's own tests of its scalers, run on ours by the plugin ``swap_scalers``."""

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

#: They call functions like ``maxabs_scale`` with all parameters of our scaler, ``axis`` too,
#: which there means another thing.
FUNCTIONS = (
    "test_missing_value_handling and (maxabs_scale or minmax_scale or scale or robust_scale)"
)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "dispatches"), [("test_data", False), ("test_data", True), ("test_common", False)]
)
def test_what_scikit_learn_asks_of_its_scalers_ours_do(module, dispatches, tmp_path):
    if dispatches and find_spec("sklearn.callback") is None:  # before scikit-learn 1.9
        pytest.skip("array-api-strict keeps up with the newest scikit-learn alone")
    command = [
        *(sys.executable, "-m", "pytest", "--pyargs", f"sklearn.preprocessing.tests.{module}"),
        *("-p", "tests.swap_scalers", "-p", "no:cacheprovider", "-q", "-c", os.devnull),
        *("--rootdir", str(tmp_path), "-k", f"not ({FUNCTIONS})"),
    ]
    environment = {k: v for k, v in os.environ.items() if k != "SCIPY_ARRAY_API"}
    if dispatches:
        environment["SCIPY_ARRAY_API"] = "1"
    root = Path(__file__).parents[1]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
