"""Inputs of any kind: n-D arrays, several named ones, columns of a table, sparse matrices."""

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PowerTransformer

from sklearn_keras_scaling import (
    MinMaxScaler,
    ScaledKerasClassifier,
    ScaledKerasRegressor,
    StandardScaler,
    to_keras,
)

from . import ONE_EPOCH, QUICK

RNG = np.random.default_rng(0)
HISTORY = RNG.normal(50.0, 10.0, size=(80, 6, 3))
UNSCALED = ("SKS009",)  # the site, on purpose
SITE = RNG.normal(1000.0, 50.0, size=(80, 2))
Y = HISTORY[:, -1].sum(axis=1) + SITE[:, 0]
BOTH = {"history": HISTORY, "site": SITE}


def recurrent(input_shape, output_shape):
    layers = [keras.Input(input_shape), keras.layers.LSTM(4), keras.layers.Dense(*output_shape)]
    return keras.Sequential(layers)


def two_inputs(input_shape, output_shape, units=4):
    inputs = {name: keras.Input(shape, name=name) for name, shape in input_shape.items()}
    history = keras.layers.LSTM(units)(inputs["history"])
    joined = keras.layers.Concatenate()([history, inputs["site"]])
    return keras.Model(inputs, keras.layers.Dense(output_shape[0])(joined))


def two_inputs_in_a_list(input_shape, output_shape):
    inputs = [keras.Input(shape) for shape in input_shape]
    history = keras.layers.LSTM(4)(inputs[0])
    joined = keras.layers.Concatenate()([history, inputs[1]])
    return keras.Model(inputs, keras.layers.Dense(output_shape[0])(joined))


def agrees(fitted, X, model_input=None, **options):
    """The exported model, with an input for each, predicts as the estimator, in float32."""
    found = keras.ops.convert_to_numpy(
        to_keras(fitted, **options)(X if model_input is None else model_input)
    )
    expected = fitted.predict(X)
    # Some roundings of float32 (6e-8) of the largest number on the way.
    assert np.abs(found - expected).max() < 1e-6 * max(np.abs(expected).max(), Y.max())


@pytest.mark.parametrize("builder", [None, recurrent])
def test_windows_are_scaled_by_feature(builder):
    regressor = ScaledKerasRegressor(builder, **QUICK, input_scaler="standard").fit(HISTORY, Y)
    np.testing.assert_allclose(regressor.input_scaler_.mean_, HISTORY.mean(axis=(0, 1)))
    assert regressor.input_shape_ == (6, 3)
    assert regressor.network_.input_shape == (None, 6, 3)
    agrees(regressor, HISTORY)
    by_hand = (HISTORY - HISTORY.mean(axis=(0, 1))) / HISTORY.std(axis=(0, 1))
    outputs = regressor.network_.predict(by_hand, verbose=0).astype("float64")
    expected = regressor.target_scaler_.inverse_transform(outputs).ravel()
    np.testing.assert_allclose(regressor.predict(HISTORY), expected, rtol=1e-6)


def test_scalers_of_scikit_learn_see_windows_as_rows_of_features():
    regressor = ScaledKerasRegressor(**ONE_EPOCH, input_scaler=PowerTransformer())
    regressor.fit(HISTORY, Y, sample_weight=np.ones(80))
    expected = PowerTransformer().fit(HISTORY.reshape(-1, 3)).lambdas_
    np.testing.assert_allclose(regressor.input_scaler_.lambdas_, expected)
    agrees(regressor, HISTORY)


@pytest.mark.parametrize("axis", [-1, 1], ids=["channel-last", "channel-first"])
def test_images_of_either_layout(axis):
    X, y = load_digits(return_X_y=True)
    X, y = X[:300].reshape(-1, 8, 8, 1), y[:300]
    channels = np.concatenate([X, 2 * X + 5], axis=3)
    images = channels if axis == -1 else np.moveaxis(channels, 3, 1)
    scaler = StandardScaler(axis=axis)
    classifier = ScaledKerasClassifier(**{**QUICK, "epochs": 30}, input_scaler=scaler)
    classifier.fit(images, y)
    np.testing.assert_allclose(classifier.input_scaler_.mean_, channels.mean(axis=(0, 1, 2)))
    assert classifier.score(images, y) > 0.9


@pytest.mark.parametrize("builder", [None, two_inputs])
def test_named_inputs_each_with_its_scaler(builder):
    scalers = {"history": StandardScaler(), "site": MinMaxScaler()}
    regressor = ScaledKerasRegressor(builder, **QUICK, input_scaler=scalers)
    regressor.set_params(validation_split=0.2, input_scaler__site__clip=True).fit(BOTH, Y)
    assert regressor.input_scaler_["site"].clip is True
    assert regressor.input_shape_ == {"history": (6, 3), "site": (2,)}
    assert not hasattr(regressor, "n_features_in_")
    assert set(regressor.history_) == {"loss", "val_loss"}
    agrees(regressor, BOTH)
    swapped = {"site": SITE, "history": HISTORY}
    np.testing.assert_array_equal(regressor.predict(swapped), regressor.predict(BOTH))


def test_inputs_in_a_list_as_for_keras():
    for value in ("minmax", ["standard", None]):
        regressor = ScaledKerasRegressor(
            two_inputs_in_a_list, **ONE_EPOCH, input_scaler=value, ignore_findings=UNSCALED
        )
        regressor.fit([HISTORY, SITE], Y)
        agrees(regressor, [HISTORY, SITE])
    assert regressor.input_scaler_[1] is None
    np.testing.assert_array_equal(
        regressor.predict((HISTORY, SITE)), regressor.predict([HISTORY, SITE])
    )


@pytest.mark.parametrize("kind", [pd.DataFrame, np.asarray])
def test_columns_of_a_table_become_named_inputs(kind):
    table = pd.DataFrame(np.c_[HISTORY[:, 0], SITE], columns=["a", "b", "c", "d", "e"])
    X = kind(table)
    names = {"history": ["c", "a"], "site": ["d", "e"]}
    columns = names if kind is pd.DataFrame else {"history": [2, 0], "site": slice(3, None)}
    regressor = ScaledKerasRegressor(
        **ONE_EPOCH,
        input_columns=columns,
        input_scaler={"history": "standard", "site": None},
        ignore_findings=UNSCALED,
    )
    regressor.fit(X, Y)
    assert regressor.n_features_in_ == 5
    assert regressor.network_.input["history"].shape == (None, 2)
    np.testing.assert_allclose(
        regressor.input_scaler_["history"].mean_, table[["c", "a"]].mean(axis=0)
    )
    agrees(regressor, X, table.to_numpy())


def test_columns_of_a_table_in_a_pipeline_and_a_search():
    table = pd.DataFrame(np.c_[HISTORY[:, 0], SITE], columns=["a", "b", "c", "d", "e"])
    regressor = ScaledKerasRegressor(
        **ONE_EPOCH, input_columns={"history": ["a", "b", "c"], "site": ["d", "e"]}
    )
    pipeline = make_pipeline(PowerTransformer().set_output(transform="pandas"), regressor)
    grid = {"scaledkerasregressor__input_scaler": ["standard", {"history": "minmax", "site": None}]}
    search = GridSearchCV(pipeline, grid, cv=2, error_score="raise").fit(table, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    rows = {name: table[[name]].to_numpy() for name in table}
    agrees(search, table, rows, inputs="columns")
    if keras.backend.backend() != "jax":  # without float64, PowerTransformer takes no pair
        high = table.to_numpy().astype("float32")
        pair = {"high": high, "low": (table.to_numpy() - high).astype("float32")}
        agrees(search, table, pair, inputs="pair")


@pytest.mark.parametrize(
    "scaler", ["maxabs", StandardScaler(with_mean=False), None], ids=["maxabs", "standard", "none"]
)
def test_sparse_matrices_stay_sparse_until_the_batch(scaler):
    X = sparse.random(200, 30, 0.1, "csr", random_state=0) * 100
    y = np.asarray(X.sum(axis=1)).ravel()
    parameters = {**QUICK, "epochs": 2, "batch_size": 50}
    regressor = ScaledKerasRegressor(**parameters, input_scaler=scaler, validation_split=0.2)
    dense = ScaledKerasRegressor(**parameters, input_scaler=scaler, validation_split=0.2)
    regressor.fit(X, y)
    dense.fit(X.toarray(), y)
    np.testing.assert_allclose(regressor.predict(X), dense.predict(X.toarray()), rtol=1e-5)
    np.testing.assert_array_equal(regressor.predict(X), regressor.predict(X.toarray()))
    assert regressor.__sklearn_tags__().input_tags.sparse
    scores = cross_val_score(regressor, sparse.coo_matrix(X), y, cv=2, error_score="raise")
    assert np.isfinite(scores).all()


def test_some_columns_pass_unscaled(diabetes):
    X, y = diabetes
    scalers = ["standard", None, MinMaxScaler(), *["standard"] * 7]
    regressor = ScaledKerasRegressor(**ONE_EPOCH, input_scaler=scalers).fit(X, y)
    fed = to_keras(regressor.input_scaler_[0])(X[:, :1])
    np.testing.assert_allclose(keras.ops.convert_to_numpy(fed).std(), 1, rtol=1e-6)
    assert regressor.input_scaler_[1] is None
    np.testing.assert_allclose(regressor.input_scaler_[2].data_min_, X[:, 2].min())
    assert (
        np.abs(keras.ops.convert_to_numpy(to_keras(regressor)(X)) - regressor.predict(X)).max()
        < 1e-3
    )


def test_default_network_of_several_inputs_flattens_them():
    network = ScaledKerasRegressor(**ONE_EPOCH).fit(BOTH, Y).network_
    assert network.get_layer(index=-2).kernel.shape == (6 * 3 + 2, 16)


TABLE = pd.DataFrame(np.c_[SITE, SITE], columns=["a", "b", "c", "d"])
NAN = HISTORY.copy()
NAN[4, 2, 1] = np.nan

BAD = {
    "nan in a window": (NAN, {}, r"Input X contains NaN[\s\S]*of X is at index \(4, 2, 1\)"),
    "nan in a named input": (
        {"history": NAN, "site": SITE},
        {},
        r"The first such value of X\['history'\] is at index \(4, 2, 1\)",
    ),
    "lengths": (
        {"history": HISTORY, "site": SITE[:9]},
        {},
        r"X\['history'\] and X\['site'\] and y must have as many rows each",
    ),
    "missing scaler": (
        BOTH,
        {"input_scaler": {"history": "standard"}},
        r"input_scaler lacks 'site'\. It must have one entry for each of: 'history', 'site'",
    ),
    "unknown input": (
        BOTH,
        {"input_scaler": {"history": None, "site": None, "sit": None}},
        r"input_scaler names 'sit', which is not there",
    ),
    "scaler name of an input": (
        BOTH,
        {"input_scaler": {"history": "standart", "site": None}},
        r"input_scaler\['history'\]='standart' is no known scaler\. Did you mean 'standard'",
    ),
    "names of the network": (
        {"history": HISTORY, "place": SITE},
        {"model": lambda: two_inputs({"history": (6, 3), "site": (2,)}, (1,))},
        r"has inputs named \['history', 'site'\], but X has \['history', 'place'\]",
    ),
    "columns of a dict": (
        BOTH,
        {"input_columns": {"history": [0]}},
        r"input_columns says which columns of a table .* but X is several arrays already",
    ),
    "columns of windows": (
        HISTORY,
        {"input_columns": {"history": [0]}},
        r"input_columns needs a table, but X has samples of shape \(6, 3\)",
    ),
    "column name": (
        TABLE,
        {"input_columns": {"site": ["a", "bb"]}},
        r"input_columns\['site'\]: there is no column 'bb'\. Did you mean 'b'",
    ),
    "column name of an array": (
        SITE,
        {"input_columns": {"site": ["a"]}},
        r"there is no column 'a'\. Names need a data frame: pass one",
    ),
    "column number": (
        TABLE,
        {"input_columns": {"site": [4]}},
        r"input_columns\['site'\]: there is no column 4; there are 4",
    ),
    "no column": (
        TABLE,
        {"input_columns": {"site": []}},
        r"input_columns\['site'\] has no column",
    ),
    "no dict": (TABLE, {"input_columns": ["a"]}, r"input_columns must be a dict from names"),
    "too few scalers": (
        SITE,
        {"input_scaler": ["standard"]},
        r"input_scaler is a list of 1 scalers, but the data have 2 columns",
    ),
    "scalers of sparse columns": (
        sparse.csr_array(SITE),
        {"input_scaler": ["maxabs", None]},
        r"input_scaler: scalers for single columns need dense data",
    ),
    "scaler of one column": (
        SITE,
        {"input_scaler": ["standard", 3]},
        r"input_scaler\[1\] must be one of .* got 3",
    ),
}


@pytest.mark.parametrize("axis", [-1, None, (1, 2)])
@pytest.mark.parametrize("where", ["input_scaler", "target_scaler"])
def test_a_subclass_of_a_scaler_may_scale_as_it_likes(where, axis):
    class Doubled(StandardScaler):
        def transform(self, X, copy=None):
            return 2.0 * super().transform(X, copy)

        def inverse_transform(self, X, copy=None):
            return super().inverse_transform(X / 2.0, copy)

    def network(input_shape, output_shape):
        layers = [keras.Input(input_shape), keras.layers.Dense(3)]
        return keras.Sequential(layers)

    untrained = {**ONE_EPOCH, "optimizer__learning_rate": 0.0, "random_state": 0}
    found = ScaledKerasRegressor(network, **untrained, **{where: Doubled(axis=axis)})
    expected = ScaledKerasRegressor(network, **untrained, **{where: StandardScaler(axis=axis)})
    for one in (found, expected):
        one.fit(HISTORY, HISTORY)
    scaled = expected.target_scaler_.transform
    np.testing.assert_allclose(
        scaled(found.predict(HISTORY)),
        scaled(expected.predict(HISTORY)) * (2.0 if where == "input_scaler" else 0.5),
        atol=1e-5,
    )


@pytest.mark.parametrize("case", BAD)
def test_bad_inputs(case):
    X, parameters, message = BAD[case]
    regressor = ScaledKerasRegressor(**ONE_EPOCH, **parameters)
    before = dict(vars(regressor))
    with pytest.raises((TypeError, ValueError), match=message):
        regressor.fit(X, Y)
    assert vars(regressor) == before


def test_other_inputs_than_those_of_fit_are_refused():
    regressor = ScaledKerasRegressor(**ONE_EPOCH).fit(BOTH, Y)
    shapes = r"X has samples of shape \{'history': \(6, 2\).*fitted on samples of shape \{'history'"
    with pytest.raises(ValueError, match=shapes):
        regressor.predict({"history": HISTORY[:, :, :2], "site": SITE})
    with pytest.raises(ValueError, match=r"X has samples of shape \(2,\), but"):
        regressor.predict(SITE)
    windows = ScaledKerasRegressor(**ONE_EPOCH).fit(HISTORY, Y)
    with pytest.raises(ValueError, match=r"X has samples of shape \(6, 2\), but.*\(6, 3\)"):
        windows.predict(HISTORY[:, :, :2])
    windows.fit(BOTH, Y)
    assert not hasattr(windows, "n_features_in_")
