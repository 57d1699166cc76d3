"""Exported graphs in other runtimes, where these are installed (tf2onnx writes the ONNX files)."""

import warnings

import keras
import numpy as np
import pytest
from sklearn import decomposition, preprocessing
from sklearn.compose import ColumnTransformer

import sklearn_keras_scaling as sks
from sklearn_keras_scaling import to_keras
from sklearn_keras_scaling.bridge import map_of

from .transformers import CASES, CODES, NORMAL, POSITIVE, SERIES, SKEWED, Case

pytestmark = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="exports by it")

RNG = np.random.default_rng(0)
SOME_MISSING = np.where(RNG.random(CODES.shape) < 0.2, np.nan, CODES)
GAPS = np.where(RNG.random(SERIES.shape) < 0.3, np.nan, SERIES)
LARGE = 1e6 + RNG.normal(size=(80, 2))
ONE_HOT, ORDINAL = preprocessing.OneHotEncoder, preprocessing.OrdinalEncoder

#: Steps that ask for operations which a runtime lacks, or for NaN beside numbers, with rows.
HARD = [
    Case("Yeo-Johnson", preprocessing.PowerTransformer(), SKEWED),
    Case("Yeo-Johnson, large", preprocessing.PowerTransformer(), LARGE),
    Case("Box-Cox", preprocessing.PowerTransformer("box-cox"), POSITIVE),
    Case("log, large", preprocessing.FunctionTransformer(np.log, np.exp), LARGE),
    Case("log1p", preprocessing.FunctionTransformer(np.log1p, np.expm1), POSITIVE),
    Case(
        "normal",
        preprocessing.QuantileTransformer(n_quantiles=30, output_distribution="normal"),
        NORMAL,
    ),
    Case("one-hot", ONE_HOT(drop="if_binary"), CODES),
    Case("one-hot, ignore", ONE_HOT(handle_unknown="ignore"), SOME_MISSING),
    Case("ordinal", ORDINAL(), CODES),
    Case("ordinal, a code of NaN", ORDINAL(encoded_missing_value=-2), SOME_MISSING),
    Case(
        "ordinal, a code of others",
        ORDINAL(handle_unknown="use_encoded_value", unknown_value=-1),
        SOME_MISSING,
    ),
    Case("bins", preprocessing.KBinsDiscretizer(4, strategy="uniform"), NORMAL),
    Case("windows", sks.LocalStandardScaler([3, 0]), GAPS),
    *(case for case in CASES if "add_indicator" in case.name or "RobustScaler()," in case.name),
]


def exported(model, rows, path):
    """Return the path of a model's file, in the format of its suffix, and the rows by input."""
    pair = rows if isinstance(rows, dict) else {"rows": rows}
    model(keras.tree.map_structure(lambda each: each[:1], rows))  # Keras must have seen some
    kind = {".xml": "openvino", ".tflite": "litert"}.get(path.suffix, "onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tf2onnx's, of NumPy
        model.export(str(path), format=kind, verbose=False)
    return str(path), list(pair.values())


def in_onnx_runtime(model, rows, folder):
    """Return what ONNX Runtime makes of the model's file."""
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    path, rows = exported(model, rows, folder / "model.onnx")
    session = runtime.InferenceSession(path)
    names = [each.name for each in session.get_inputs()]
    return session.run(None, dict(zip(names, rows, strict=True)))[0]


def in_openvino(model, rows, folder):
    openvino = pytest.importorskip("openvino")
    path, rows = exported(model, rows, folder / "model.xml")
    asked = {"INFERENCE_PRECISION_HINT": "f32"}  # some processors take bfloat16 else
    return openvino.Core().compile_model(path, "CPU", asked)(rows)[0]


def in_litert(model, rows, folder):
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    path, rows = exported(model, rows, folder / "model.tflite")
    interpreter = litert.Interpreter(path)
    inputs = sorted(interpreter.get_input_details(), key=lambda one: one["name"])
    for one, values in zip(inputs, rows, strict=True):
        interpreter.resize_tensor_input(one["index"], values.shape)
    interpreter.allocate_tensors()
    for one, values in zip(inputs, rows, strict=True):
        interpreter.set_tensor(one["index"], values)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def given(case, fitted, inverse):
    """Return rows: of the data and, for encoders, numbers that are no categories."""
    X = np.asarray(case.X, dtype=np.float64)
    if inverse:
        return map_of(fitted).forward(X, np)
    is_encoder = "Encoder" in type(fitted).__name__
    return np.concatenate([X, X[:4] + 0.25, np.full_like(X[:1], np.nan)]) if is_encoder else X


@pytest.mark.parametrize("inverse", [False, True])
@pytest.mark.parametrize("case", HARD, ids=lambda case: case.name)
def test_onnx_runtime_computes_what_keras_does(case, inverse, tmp_path):
    fitted = case.fitted()
    if inverse and not hasattr(fitted, "inverse_transform"):
        pytest.skip("it has no inverse")
    model = to_keras(fitted, inverse=inverse)
    rows = given(case, fitted, inverse).astype(model.input.dtype)
    expected = np.asarray(model(rows), dtype=np.float64)
    found = in_onnx_runtime(model, rows, tmp_path)
    spread = np.nanstd(expected, axis=0)
    error = np.abs(found - expected) / np.where(spread > 0, spread, 1.0)
    # 3.4e-9: Yeo-Johnson's inverse at 1e6, whose roundings are that large; all others 9e-15.
    assert np.nanmax(error) < 1e-8
    np.testing.assert_array_equal(np.isnan(found), np.isnan(expected))


@pytest.mark.parametrize("run", [in_onnx_runtime, in_openvino, in_litert])
@pytest.mark.parametrize(
    "scaler",
    [
        preprocessing.StandardScaler(),
        preprocessing.MinMaxScaler(clip=True),
        decomposition.PCA(2, whiten=True),
        ColumnTransformer([("a", sks.RobustScaler(), [2, 0])]),
    ],
    ids=lambda scaler: type(scaler).__name__,
)
def test_a_pair_is_scaled_in_float32_alone(scaler, run, tmp_path):
    X = np.random.default_rng(0).normal(size=(400, 3)) * [1.0, 10.0, 0.1] + [1e6, 1e9, -1e5]
    expected = map_of(scaler.fit(X)).forward(X, np)
    high = X.astype("float32")
    pair = {"high": high, "low": (X - high).astype("float32")}
    model = to_keras(scaler, inputs="pair")
    found = np.asarray(run(model, pair, tmp_path))
    assert found.dtype == np.float32
    # 9.9e-7: roundings of float32, and of the pair itself 1e-6 at 1e9 over its deviation of 10.
    assert (np.abs(found - expected) / expected.std(axis=0)).max() < 3e-6
