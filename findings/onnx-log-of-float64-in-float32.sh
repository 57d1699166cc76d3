#!/usr/bin/env bash
# tf2onnx writes the logarithm of float64 in float32, silently.
#
# What:      keras.ops.log of a float64 input, exported by model.export(format="onnx") on the
#            TensorFlow backend, has a Cast to float32 before Log and one back behind it ("ORT
#            doesn't implement Log on doubles", says onnx_opset/math.py). ONNX Runtime does: a Log
#            of float64 made by onnx.helper runs, and is right.
# Versions:  Python 3.11, keras 3.15.1, tensorflow 2.21.0, tf2onnx 1.17.0, onnx 1.23.2, onnxruntime 1.32.0.
# Behaviour: inputs and outputs of the file are float64, its numbers are not: log(1e6 + x), of which
#            the standard deviation is 1e-6, is off by half of that.
# Seen:      casts around Log: ['Cast', 'Log', 'Cast']
#            largest error, in standard deviations: file 0.55, a Log of float64 in ONNX Runtime 1.8e-09
#
# Ends with 0 while that is so, with 1 once it is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check \
    keras==3.15.1 tensorflow==2.21.0 tf2onnx==1.17.0 onnx==1.23.2 onnxruntime==1.32.0
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 KERAS_BACKEND=tensorflow venv/bin/python - <<'PYTHON'
import sys

import keras
import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

x = 1e6 + np.random.default_rng(0).normal(size=(1000, 1))
inputs = keras.Input((1,), dtype="float64")
model = keras.Model(inputs, keras.ops.log(inputs))
assert np.allclose(np.asarray(model(x)), np.log(x), rtol=1e-15, atol=0.0), "Keras itself is right"
model.export("model.onnx", format="onnx", verbose=False)


def run(session):
    return session.run(None, {session.get_inputs()[0].name: x})[0]


def error(found):
    return float(np.abs(found - np.log(x)).max() / np.log(x).std())


kinds = [node.op_type for node in onnx.load("model.onnx").graph.node]
written = run(onnxruntime.InferenceSession("model.onnx"))
assert written.dtype == np.float64

shape = [None, 1]
ends = [helper.make_tensor_value_info(name, TensorProto.DOUBLE, shape) for name in "xy"]
graph = helper.make_graph([helper.make_node("Log", ["x"], ["y"])], "log", ends[:1], ends[1:])
plain = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
direct = run(onnxruntime.InferenceSession(plain.SerializeToString()))

print("casts around Log:", kinds)
print(
    f"largest error, in standard deviations: file {error(written):.2g}, "
    f"a Log of float64 in ONNX Runtime {error(direct):.2g}"
)
sys.exit(not (error(written) > 0.1 and error(direct) < 1e-6))
PYTHON
