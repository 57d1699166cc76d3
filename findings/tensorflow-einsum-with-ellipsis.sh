#!/usr/bin/env bash
# tf.einsum with an ellipsis returns wrong float32 numbers in TensorFlow 2.19 on x86 CPUs.
#
# What:      tf.einsum("...f,kf->...k", a, m) of float32 arrays of shapes (50, 3) and (2, 3), which is
#            a @ m.T, is right in the first rows and wrong in the others. So is keras.ops.einsum on
#            it. Written out ("nf,kf->nk"), in float64, or with TF_ENABLE_ONEDNN_OPTS=0 it is right.
# Versions:  Python 3.11, tensorflow 2.19.1 (its oneDNN kernels; 2.21.0 is right), numpy 2.0.2.
# Behaviour: no error, no warning; differences as large as the numbers themselves.
# Seen:      ellipsis: wrong from row 25 on; written out: right; float64: right
#
# Ends with 0 while that is so, with 1 once it is not.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check tensorflow==2.19.1 numpy==2.0.2
cd "$folder"
TF_CPP_MIN_LOG_LEVEL=3 venv/bin/python - <<'PYTHON' 2>/dev/null
import sys

import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
a, m = rng.normal(size=(50, 3)), rng.normal(size=(2, 3))


def wrong_rows(equation, dtype):
    found = tf.einsum(equation, a.astype(dtype), m.astype(dtype)).numpy()
    return np.flatnonzero(np.abs(found - a @ m.T).max(axis=1) > 1e-3)


ellipsis = wrong_rows("...f,kf->...k", "float32")
others = wrong_rows("nf,kf->nk", "float32"), wrong_rows("...f,kf->...k", "float64")
told = ["right" if not len(rows) else f"wrong from row {rows[0]} on" for rows in (ellipsis, *others)]
print("ellipsis: {}; written out: {}; float64: {}".format(*told))
sys.exit(not (len(ellipsis) and not any(map(len, others))))
PYTHON
