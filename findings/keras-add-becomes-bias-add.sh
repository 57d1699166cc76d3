#!/usr/bin/env bash
# keras.ops.add on TensorFlow does not broadcast what looks like a bias of the second axis.
#
# What:      of a tensor of shape (n, k, 1) and one of shape (k,) or (k, 1, 1), keras.ops.add (and +
#            between KerasTensors) makes tf.nn.bias_add with data_format="NCHW": the second operand is
#            added along axis 1, and the result has the shape of the first. NumPy, keras.ops.subtract
#            and the same addition with the operands swapped broadcast.
# Versions:  Python 3.11, keras 3.15.1, tensorflow 2.21.0.
# Behaviour: no error, no warning. With k = 3: a result of shape (2, 3, 1) where NumPy has (2, 3, 3),
#            and for a second operand of shape (3, 1, 1), of one number a row, numbers of other rows.
# Seen:      (2, 3, 1) + (3,): add (2, 3, 1), swapped (2, 3, 3), NumPy (2, 3, 3)
#            (3, 3, 1) + (3, 1, 1): add [0.0, 1.0, 2.0], NumPy [0.0, 0.0, 0.0] in the first row
#
# Ends with 0 while that is so, with 1 once it is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check keras==3.15.1 tensorflow==2.21.0
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow venv/bin/python - <<'PYTHON' 2>/dev/null
import sys

import keras
import numpy as np

bias = np.arange(3.0, dtype="float32")


def add(a, b):
    tensors = (keras.ops.convert_to_tensor(each) for each in (a, b))
    return keras.ops.convert_to_numpy(keras.ops.add(*tensors))


x = np.zeros((2, 3, 1), "float32")
shapes = add(x, bias).shape, add(bias, x).shape, (x + bias).shape
print("(2, 3, 1) + (3,): add {}, swapped {}, NumPy {}".format(*shapes))
rows, column = np.zeros((3, 3, 1), "float32"), bias.reshape(3, 1, 1)
first = add(rows, column)[0, :, 0].tolist(), (rows + column)[0, :, 0].tolist()
print("(3, 3, 1) + (3, 1, 1): add {}, NumPy {} in the first row".format(*first))
is_so = shapes == ((2, 3, 1), (2, 3, 3), (2, 3, 3)) and first[0] != first[1]
sys.exit(not is_so)
PYTHON
