#!/usr/bin/env bash
# keras.Model.predict answers rows of NaN with numbers, where calling the model answers NaN.
#
# What:      A Dense or Conv2D layer with activation="relu" on TensorFlow, on an x86 CPU. In a
#            tf.function (predict, evaluate, fit, SavedModels), matmul, bias and relu become one
#            operation of oneDNN, whose relu of NaN is 0. Run eagerly (model(x)), compiled by XLA
#            (jit_compile=True), without oneDNN (TF_ENABLE_ONEDNN_OPTS=0), or with tanh in the place of
#            relu, NaN stays NaN. So NaN in the input, and weights that have become NaN in training,
#            are hidden from the layer on: all such rows get the same number.
# Versions:  Python 3.11, tensorflow 2.21.0, keras 3.15.1, numpy 2.3.5.
# Behaviour: no error, no warning.
# Seen:      Dense: called nan, predict 0.5, predict by XLA nan, tanh nan
#            Conv2D: called nan, predict 0.5, predict by XLA nan, tanh nan
#
# Ends with 0 while that is so, with 1 once it is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow==2.21.0 keras==3.15.1 \
    numpy==2.3.5
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON' 2>/dev/null
import sys

import keras
import numpy as np

layers = keras.layers


def dense(activation):
    return [keras.Input((4,)), layers.Dense(8, activation=activation)]


def convolution(activation):
    return [keras.Input((4, 4, 1)), layers.Conv2D(8, 2, activation=activation), layers.Flatten()]


def answers(hidden):
    found = {}
    for name, activation, jit in (
        ("predict", "relu", False),
        ("predict by XLA", "relu", True),
        ("tanh", "tanh", False),
    ):
        last = layers.Dense(1, bias_initializer=keras.initializers.Constant(0.5))
        model = keras.Sequential([*hidden(activation), last])
        model.compile(jit_compile=jit)
        x = np.full((8, *model.input_shape[1:]), np.nan, "float32")
        if name == "predict":
            found["called"] = float(np.asarray(model(x)).ravel()[0])
        found[name] = float(model.predict(x, verbose=0).ravel()[0])
    return found


seen = {"Dense": answers(dense), "Conv2D": answers(convolution)}
for kind, found in seen.items():
    print(f"{kind}: " + ", ".join(f"{name} {value:g}" for name, value in found.items()))
hidden = all(found.pop("predict") == 0.5 for found in seen.values())
sys.exit(not (hidden and all(np.isnan(list(found.values())).all() for found in seen.values())))
PYTHON
