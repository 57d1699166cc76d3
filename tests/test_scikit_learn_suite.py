"""scikit-learn's own tests of its scalers, run on ours by the plugin ``swap_scalers``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

#: They call functions like ``maxabs_scale`` with all parameters of our scaler, ``axis`` too,
#: which there means another thing.
FUNCTIONS = [
    f"test_missing_value_handling[est{i}-{function}"
    for i, function in enumerate(
        ["maxabs_scale", "minmax_scale", "scale", "scale", "", "", "", "robust_scale", "robust_scale"]
    )
    if function
]


@pytest.mark.parametrize("dispatch", ["0", "1"], ids=["NumPy", "array API"])
def test_what_scikit_learn_asks_of_its_scalers_ours_do(dispatch, tmp_path):
    command = [
        *(sys.executable, "-m", "pytest", "--pyargs"),
        *("sklearn.preprocessing.tests.test_data", "sklearn.preprocessing.tests.test_common"),
        *("-p", "tests.swap_scalers", "-p", "no:cacheprovider", "-q", "-c", os.devnull),
        *("--rootdir", str(tmp_path), "-k", "not (" + " or ".join(FUNCTIONS) + ")"),
    ]
    environment = {**os.environ, "SCIPY_ARRAY_API": dispatch}
    environment.pop("PYTEST_ADDOPTS", None)
    root = Path(__file__).parents[1]
    done = subprocess.run(
        command, cwd=root, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout
