#!/usr/bin/env bash
# On the JAX backend with x64, keras.ops.tanh, sin, cos and others make float32 of float64.
#
# What:      with JAX_ENABLE_X64=1, exp, log, sqrt and log1p of a float64 tensor are float64; tanh,
#            sinh, cosh, sin, cos, tan, arctan, arcsinh and floor are float32. They cast to
#            result_type(dtype, float), which knows no float64 on JAX. On TensorFlow all are float64.
# Versions:  Python 3.11, keras 3.15.1, jax 0.10.2.
# Behaviour: no warning; a float64 model loses half of its digits in such an operation. floor of
#            1e9 + 1 is 1e9.
# Seen:      float64: exp log sqrt log1p expm1 sigmoid erf
#            float32: tanh sinh cosh sin cos tan arctan arcsinh floor
#            floor(1000000001.0) = 1000000000.0
#
# Ends with 0 while that is so, with 1 once it is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 jax==0.10.2
cd "$folder"
KERAS_BACKEND=jax JAX_ENABLE_X64=1 venv/bin/python - <<'PYTHON'
import sys

import keras
import numpy as np

WIDE = ["exp", "log", "sqrt", "log1p", "expm1", "sigmoid", "erf"]
NARROW = ["tanh", "sinh", "cosh", "sin", "cos", "tan", "arctan", "arcsinh", "floor"]
x = keras.ops.convert_to_tensor(np.array([0.25, 0.5]))
assert str(x.dtype) == "float64"
found = {name: str(getattr(keras.ops, name)(x).dtype) for name in WIDE + NARROW}
for dtype in ("float64", "float32"):
    print(f"{dtype}:", *(name for name, its in found.items() if its == dtype))
number = np.array([1e9 + 1])
floor = np.asarray(keras.ops.floor(keras.ops.convert_to_tensor(number)))
print(f"floor({number[0]}) = {float(floor[0])}")
is_so = all(found[name] == "float64" for name in WIDE) and all(
    found[name] == "float32" for name in NARROW
)
sys.exit(not (is_so and floor[0] == 1e9))
PYTHON
