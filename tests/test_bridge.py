import pickle
import subprocess
import sys

import keras
import numpy as np
import pytest
from sklearn import preprocessing
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.cluster import KMeans
from sklearn.exceptions import NotFittedError
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_regression
from sklearn.pipeline import make_pipeline

import sklearn_keras_scaling as sks
from sklearn_keras_scaling import UnsupportedTransformerError, register_map, to_keras
from sklearn_keras_scaling.bridge import _registry, widest_float
from sklearn_keras_scaling.maps import Affine

WIDEST = widest_float()
HAS_FLOAT64 = WIDEST == "float64"
needs_float64 = pytest.mark.skipif(not HAS_FLOAT64, reason="JAX without x64 has no float64")
#: What a graph in float32 costs on X: half a step each for input, constants and operations.
NEAR = 6e-8 if HAS_FLOAT64 else 100 * 2**-24
EXACT = 1e-14 if HAS_FLOAT64 else 4 * 2**-24

SCALERS = [
    preprocessing.StandardScaler(),
    preprocessing.MinMaxScaler(feature_range=(-1, 1), clip=True),
    preprocessing.MaxAbsScaler(),
    preprocessing.RobustScaler(),
    sks.StandardScaler(),
    sks.StandardScaler(with_mean=False),
    sks.MinMaxScaler(feature_range=(0.1, 0.9)),
    sks.MaxAbsScaler(),
    sks.RobustScaler(with_scaling=False),
    sks.SquashingScaler(),
]

# Imports fail for this package and for scikit-learn: a file must load with Keras alone.
LOAD_WITH_KERAS_ALONE = """
import sys
sys.modules["sklearn_keras_scaling"] = sys.modules["sklearn"] = None
import keras, numpy
for path in sys.argv[1:]:
    model = keras.saving.load_model(path, safe_mode=True)
    x = numpy.load(path + ".x.npy")
    numpy.save(path + ".npy", keras.ops.convert_to_numpy(model(x)))
"""


@pytest.fixture(scope="module")
def X():
    return np.random.default_rng(0).normal(size=(40, 3)) * [1, 10, 0.1] + [
        1e6 if HAS_FLOAT64 else 3,
        0,
        5,
    ]


def call(model, x):
    return keras.ops.convert_to_numpy(model(x))


@pytest.mark.filterwarnings("ignore:Outputs rounded to float32 cost")  # of those that centre not
@pytest.mark.parametrize("scaler", SCALERS, ids=repr)
def test_a_scaler_in_a_graph_equals_the_scaler(scaler, X):
    scaler.fit(X)
    Z = scaler.transform(X)
    # float32 leaves the graph, and may enter it: half a step each, of up to |loc / scale| = 50.
    np.testing.assert_allclose(call(to_keras(scaler), X), Z, rtol=1.2e-7, atol=NEAR)
    back = call(to_keras(scaler, inverse=True, dtype=WIDEST), Z)
    np.testing.assert_allclose(back, scaler.inverse_transform(Z), rtol=EXACT, atol=100 * EXACT)


@pytest.mark.parametrize("inverse", [False, True])
def test_it_survives_what_resets_an_adapted_normalization(inverse, X, tmp_path):
    scaler = sks.StandardScaler().fit(X)
    model = to_keras(scaler, inverse=inverse, name="scaler")
    model.save(tmp_path / "scaler.keras")
    x = scaler.transform(X) if inverse else X
    expected = call(model, x)
    copies = {
        "clone_model": keras.models.clone_model(model),
        "from_config": keras.Model.from_config(model.get_config()),
        "pickle": pickle.loads(pickle.dumps(model)),
        "file": keras.saving.load_model(tmp_path / "scaler.keras", safe_mode=True),
    }
    for way, copied in copies.items():
        np.testing.assert_array_equal(call(copied, x), expected, err_msg=way)
    adapted = keras.layers.Normalization()
    adapted.adapt(X[:, 1:].astype("float32"))
    reset = keras.models.clone_model(keras.Sequential([keras.Input((2,)), adapted]))
    np.testing.assert_allclose(call(reset, X[:, 1:]), X[:, 1:], rtol=1e-6)  # the trap


def test_files_load_and_agree_with_keras_alone(X, regressor, classifier, tmp_path):
    scaler = sks.StandardScaler().fit(X)
    models = {
        "scaler": (to_keras(scaler), X, scaler.transform(X)),
        "inverse": (to_keras(scaler, inverse=True), X - 1e6, scaler.inverse_transform(X - 1e6)),
    }
    rows = np.random.default_rng(0).normal(size=(20, 10)) * 20 + 100
    models["regressor"] = (to_keras(regressor), rows, regressor.predict(rows))
    wine = np.random.default_rng(0).normal(size=(20, 13)) + 10
    models["classifier"] = (to_keras(classifier), wine, classifier.predict_proba(wine))
    paths = {name: tmp_path / f"{name}.keras" for name in models}
    for name, (model, x, _) in models.items():
        model.save(paths[name])
        np.save(f"{paths[name]}.x.npy", x)
    command = [sys.executable, "-c", LOAD_WITH_KERAS_ALONE, *paths.values()]
    subprocess.run(command, check=True, capture_output=True)
    for name, (_, _, expected) in models.items():
        found = np.load(f"{paths[name]}.npy")
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=name)


@needs_float64
def test_input_dtype_is_float64_only_where_float32_would_cost_more_than_1e_4(X):
    narrow = sks.StandardScaler().fit(X[:, 1:])
    wide = sks.StandardScaler().fit(X)
    assert to_keras(narrow).input.dtype == "float32"
    assert to_keras(wide).input.dtype == "float64"
    clipped = sks.MinMaxScaler(feature_range=(0.1, 0.9), clip=True).fit(X)
    assert to_keras(clipped).input.dtype == "float64"
    chosen = make_pipeline(SelectKBest(f_regression, k=1), sks.StandardScaler()).fit(X, X[:, 1])
    assert to_keras(chosen).input.dtype == "float32"
    with pytest.warns(
        UserWarning, match="rounded to float32 cost up to 0.03 in standardised units"
    ):
        forced = to_keras(wide, dtype="float32")
    assert forced.input.dtype == "float32"
    assert np.abs(call(forced, X) - wide.transform(X)).max() > 1e-3


@needs_float64
def test_inverse_in_float64_keeps_targets_that_float32_loses():
    y = 1e8 + np.linspace(-1, 1, 11).reshape(-1, 1)
    scaler = sks.StandardScaler().fit(y)
    z = scaler.transform(y)
    back = call(to_keras(scaler, inverse=True), z)
    assert back.dtype == np.float64
    assert np.abs(back - y).max() < 1e-6
    in_float32 = z.astype("float32") * np.float32(scaler.scale_) + np.float32(scaler.mean_)
    assert np.abs(in_float32 - y).max() / scaler.scale_[0] > 1  # the trap: standard deviations


def test_an_inverse_is_the_last_layer_of_anybodys_model_trained_in_raw_units():
    X = np.linspace(-1, 1, 64).reshape(-1, 1)
    y = 5e4 + 300 * X
    target_scaler = sks.StandardScaler().fit(y)
    model = keras.Sequential(
        [keras.Input((1,)), keras.layers.Dense(1), to_keras(target_scaler, inverse=True)]
    )
    model.compile(keras.optimizers.Adam(0.1), "mse")
    model.fit(X, y, epochs=60, batch_size=64, verbose=0)
    assert np.abs(model.predict(X, verbose=0) - y).max() < 30
    assert np.abs(call(model, X) - y).max() < 30


def test_a_scaler_feeds_a_functional_model(X):
    scaler = sks.StandardScaler().fit(X[:, 1:])
    inputs = keras.Input((2,))
    outputs = keras.layers.Dense(4)(to_keras(scaler)(inputs))
    assert keras.Model(inputs, outputs)(X[:, 1:]).shape == (40, 4)


def test_a_pipeline_of_transformers_both_ways(X):
    pipeline = make_pipeline("passthrough", sks.RobustScaler(), None, preprocessing.MinMaxScaler())
    Z = pipeline.fit_transform(X)
    np.testing.assert_allclose(call(to_keras(pipeline), X), Z, atol=NEAR)
    back = call(to_keras(pipeline, inverse=True, dtype=WIDEST), Z)
    np.testing.assert_allclose(back, X, rtol=EXACT, atol=100 * EXACT)


@pytest.mark.parametrize(
    "selector",
    [VarianceThreshold(2.0), SelectKBest(f_regression, k=2)],
    ids=lambda s: type(s).__name__,
)
def test_feature_selectors(selector, X):
    selector.fit(X, X[:, 1] + X[:, 2])
    kept = selector.transform(X)
    # A selector has no scale: float64 inputs need asking for.
    np.testing.assert_allclose(call(to_keras(selector), X), kept, rtol=6e-8)
    back = call(to_keras(selector, inverse=True, dtype=WIDEST), kept)
    np.testing.assert_allclose(back, selector.inverse_transform(kept), rtol=1e-6)


def test_a_regressor_is_exported_as_a_copy(regressor, diabetes):
    X, y = diabetes
    model = to_keras(regressor, name="raw")
    before = regressor.predict(X)
    assert model.name == "raw"
    assert model.output_shape == (None,)  # as predict: 1-D targets, 1-D predictions
    spread = before.std()
    assert np.abs(model.predict(X, verbose=0) - before).max() / spread < 1e-5
    model.compile("sgd", "mse")
    model.fit(X, y, epochs=1, verbose=0)
    np.testing.assert_array_equal(regressor.predict(X), before)


def test_a_classifier_is_exported_with_its_probabilities(classifier, wine):
    X, _ = wine
    np.testing.assert_allclose(
        call(to_keras(classifier), X), classifier.predict_proba(X), atol=1e-5
    )


def test_a_pipeline_that_ends_in_an_estimator(regressor, diabetes):
    X, y = diabetes
    pipeline = make_pipeline(VarianceThreshold(), sks.MinMaxScaler(), regressor_like(regressor))
    pipeline.fit(X, y)
    found = to_keras(pipeline).predict(X, verbose=0)
    assert np.abs(found - pipeline.predict(X)).max() / np.std(y) < 1e-5


def regressor_like(regressor):
    return sks.ScaledKerasRegressor(**{**regressor.get_params(), "epochs": 1})


class Halved(sks.StandardScaler):
    def transform(self, X, copy=None):
        return super().transform(X, copy) / 2


class Renamed(sks.StandardScaler):
    """Overrides nothing that matters."""


class Third(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    def fit(self, X, y=None):
        self.n_features_in_ = np.shape(X)[1]
        return self

    def transform(self, X):
        return np.asarray(X) / 3


def test_a_subclass_that_overrides_transform_is_refused_and_others_are_not(X):
    with pytest.raises(
        UnsupportedTransformerError,
        match=r"Halved overrides methods of StandardScaler.*@register_map\(Halved\)",
    ):
        to_keras(Halved().fit(X))
    scaler = Renamed().fit(X)
    np.testing.assert_allclose(call(to_keras(scaler), X), scaler.transform(X), atol=NEAR)


def test_an_unsupported_class_is_named_until_it_is_registered(X, monkeypatch):
    pipeline = make_pipeline(sks.StandardScaler(), Third()).fit(X)
    with pytest.raises(
        UnsupportedTransformerError,
        match=r"Third has no form as Keras operations\. Supported: .*MaxAbsScaler.*Pipeline",
    ):
        to_keras(pipeline)
    monkeypatch.setattr(_registry, "_MAPS", dict(_registry._MAPS))  # for this test only
    register_map(Third)(lambda third: Affine(0.0, 3.0))
    np.testing.assert_allclose(call(to_keras(pipeline), X), pipeline.transform(X), atol=NEAR)


def test_errors_say_what_to_do(regressor):
    with pytest.raises(NotFittedError, match="not fitted yet"):
        to_keras(sks.StandardScaler())
    with pytest.raises(NotFittedError, match="not fitted yet"):
        to_keras(sks.ScaledKerasRegressor())
    with pytest.raises(ValueError, match="inverse=True needs a transformer, but ScaledKerasReg"):
        to_keras(regressor, inverse=True)
    clusters = KMeans(2, n_init=1).fit([[0.0], [1.0]])
    for thing in (None, np.zeros(3), keras.Sequential()):
        with pytest.raises(TypeError, match=f"to_keras takes .* got a {type(thing).__name__}"):
            to_keras(thing)
    with pytest.raises(UnsupportedTransformerError, match="KMeans has no form"):
        to_keras(clusters)


def test_dtypes_that_are_none_are_refused(X):
    with pytest.raises(ValueError, match=r"dtype must be None or one of float32, .* got 'float16'"):
        to_keras(sks.StandardScaler().fit(X), dtype="float16")


def test_a_missing_backend_is_explained():
    code = "import sys; sys.modules['keras'] = None\nfrom sklearn_keras_scaling import to_keras"
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert found.returncode != 0
    assert "Install one, for example with `pip install keras tensorflow`" in found.stderr


@pytest.mark.parametrize(("shape", "axis"), [((3, 3), 1), ((2, 4, 4), 2), ((3, 3, 3), 1)])
def test_axes_of_one_length_are_told_apart(shape, axis):
    # TensorFlow's add takes a second operand with one long axis for a bias of the last one.
    raw = np.random.default_rng(0).normal(size=(20, *shape)) + np.arange(np.prod(shape)).reshape(
        shape
    )
    for scaler in (sks.StandardScaler(axis=axis).fit(raw), sks.MinMaxScaler(axis=axis).fit(raw)):
        scaled = scaler.transform(raw)
        np.testing.assert_allclose(to_keras(scaler)(raw), scaled, atol=2e-6)  # as float32
        back = to_keras(scaler, inverse=True, dtype="float64")(scaled)
        np.testing.assert_allclose(back, raw, rtol=1e-6, atol=1e-6)
