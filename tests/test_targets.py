"""Targets of any kind: sequences, several named outputs, a scaler for each, several labels."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_diabetes, load_linnerud
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import FunctionTransformer, QuantileTransformer

from sklearn_keras_scaling import (
    MinMaxScaler,
    ScaledKerasClassifier,
    ScaledKerasRegressor,
    StandardScaler,
    to_keras,
)

from . import ONE_EPOCH, QUICK

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 6, 3))
TABLE = X[:, 0]
STEPS = 100 + 10 * np.cumsum(X[:, :, 0], axis=1)
NAMED = {"price": STEPS[:, 0], "demand": np.c_[1e3 + STEPS[:, 1], STEPS[:, 2] / 1e3]}


def sequences(input_shape, output_shape):
    width = output_shape[1] if len(output_shape) > 1 else 1
    layers = [keras.layers.LSTM(4, return_sequences=True), keras.layers.Dense(width)]
    return keras.Sequential([keras.Input(input_shape), *layers])


def heads_in_a_list(input_shape, output_shape):
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(8, activation="relu")(inputs)
    heads = [
        keras.layers.Dense(shape[0], name=name)(hidden)
        for name, shape in sorted(output_shape.items(), reverse=True)
    ]
    return keras.Model(inputs, heads)


def heads_in_a_dict(input_shape, output_shape):
    inputs = keras.Input(input_shape)
    return keras.Model(
        inputs, {name: keras.layers.Dense(*shape)(inputs) for name, shape in output_shape.items()}
    )


@pytest.mark.parametrize("builder", [None, sequences])
@pytest.mark.parametrize("k", [None, 1, 2])
def test_sequences_come_back_in_raw_units(builder, k):
    y = STEPS if k is None else np.stack([STEPS, 1e3 * STEPS], axis=2)[:, :, :k]
    regressor = ScaledKerasRegressor(builder, **{**QUICK, "epochs": 3}, metrics=["mae"])
    still = regressor.set_params(optimizer__learning_rate=0.0, batch_size=100)
    weight = RNG.integers(1, 3, size=80)
    predicted = still.fit(X, y, sample_weight=weight, X_val=X, y_val=y).predict(X)
    assert predicted.shape == y.shape
    assert regressor.n_outputs_ == y[0].size
    error = np.abs(predicted - y).mean()
    assert regressor.history_["val_mae"][-1] == pytest.approx(error, rel=1e-5)
    found = keras.ops.convert_to_numpy(to_keras(regressor)(X))
    assert np.abs(found - predicted).max() < 1e-5 * y.std()
    flat = [array.reshape(80, -1) for array in (y, predicted)]
    assert regressor.score(X, y) == pytest.approx(r2_score(*flat))


def test_one_mean_for_all_steps_or_one_for_each():
    of_all = ScaledKerasRegressor(sequences, **ONE_EPOCH, target_scaler=StandardScaler(axis=None))
    assert of_all.fit(X, STEPS).target_scaler_.mean_.shape == ()
    of_each = ScaledKerasRegressor(sequences, **ONE_EPOCH).fit(X, STEPS)
    np.testing.assert_allclose(of_each.target_scaler_.mean_, STEPS.mean(axis=0))


@pytest.mark.parametrize("builder", [None, heads_in_a_list, heads_in_a_dict])
def test_named_outputs_each_with_its_scaler_loss_and_weight(builder):
    regressor = ScaledKerasRegressor(
        builder,
        **{**QUICK, "epochs": 2, "optimizer__learning_rate": 0.0, "batch_size": 100},
        target_scaler={"price": "minmax", "demand": ["standard", MinMaxScaler((0, 10))]},
        loss={"price": "mean_absolute_error"},
        metrics={"demand": ["mae"], "price": ["mse"]},
        compile__loss_weights={"price": 2.0, "demand": 0.5},
    )
    if builder is heads_in_a_list:
        regressor.set_params(compile__loss_weights=[2.0, 0.5])
    regressor.fit(TABLE, NAMED)
    predicted = regressor.predict(TABLE)
    assert {name: array.shape for name, array in predicted.items()} == {
        "price": (80,),
        "demand": (80, 2),
    }
    history = {name: values[-1] for name, values in regressor.history_.items()}
    error = {name: predicted[name] - NAMED[name] for name in NAMED}
    assert history["price_mse"] == pytest.approx((error["price"] ** 2).mean(), rel=1e-5)
    assert history["demand_mae"] == pytest.approx(np.abs(error["demand"]).mean(), rel=1e-5)
    scaled = np.abs(error["price"]).mean() / np.ptp(NAMED["price"])
    assert history["price_loss"] == pytest.approx(scaled, rel=1e-5)
    total = 2 * history["price_loss"] + 0.5 * history["demand_loss"]
    assert history["loss"] == pytest.approx(total, rel=1e-5)
    exported = to_keras(regressor)(TABLE)
    for name, array in predicted.items():
        assert (
            np.abs(keras.ops.convert_to_numpy(exported[name]) - array).max()
            < 1e-5 * NAMED[name].std()
        )
    flat = [np.c_[arrays["price"], arrays["demand"]] for arrays in (NAMED, predicted)]
    assert regressor.score(TABLE, NAMED) == pytest.approx(r2_score(*flat))


def test_named_outputs_of_a_table_in_a_search():
    data, targets = load_linnerud(return_X_y=True, as_frame=True)
    regressor = ScaledKerasRegressor(
        **{**QUICK, "epochs": 40},
        target_columns={"size": ["Waist", "Weight"], "pulse": ["Pulse"]},
        target_scaler={"size": "standard", "pulse": "minmax"},
    )
    grid = {"optimizer__learning_rate": [0.01, 0.05]}
    search = GridSearchCV(regressor, grid, cv=2, error_score="raise").fit(data, targets)
    fitted = search.best_estimator_
    np.testing.assert_allclose(fitted.target_scaler_["pulse"].data_min_, targets["Pulse"].min())
    predicted = search.predict(data)
    assert predicted.shape == (20, 3)
    # In the order of y, not of target_columns.
    assert np.abs(predicted - targets).mean().max() < targets.std().max()
    assert np.abs(predicted[:, 0] - 178).mean() < 40  # the weights, in pounds
    assert (
        np.abs(keras.ops.convert_to_numpy(to_keras(search)(data.to_numpy())) - predicted).max()
        < 1e-3
    )


def test_a_scaler_for_each_column():
    data, targets = load_linnerud(return_X_y=True)
    scalers = ["standard", None, QuantileTransformer(n_quantiles=10)]
    regressor = ScaledKerasRegressor(**ONE_EPOCH, target_scaler=scalers, metrics=["mae"])
    regressor.fit(data, targets, X_val=data, y_val=targets)
    outputs = keras.ops.convert_to_numpy(
        regressor.network_(regressor.input_scaler_.transform(data).astype("f"))
    )
    np.testing.assert_allclose(regressor.predict(data)[:, 1], outputs[:, 1], rtol=1e-6)
    error = np.abs(regressor.predict(data) - targets).mean()
    assert regressor.history_["val_mae"][-1] == pytest.approx(error, rel=1e-5)
    model = to_keras(regressor)
    assert np.abs(keras.ops.convert_to_numpy(model(data)) - regressor.predict(data)).max() < 1e-3


def test_nonlinear_scalers_of_sequences():
    y = np.exp(STEPS / 50)
    log = FunctionTransformer(np.log1p, np.expm1)
    regressor = ScaledKerasRegressor(sequences, **QUICK, target_scaler=log, metrics=["mae"])
    regressor.fit(X, y, X_val=X, y_val=y)
    error = np.abs(regressor.predict(X) - y).mean()
    assert regressor.history_["val_mae"][-1] == pytest.approx(error, rel=1e-5)


@pytest.mark.parametrize("loss", ["poisson", "msle", keras.losses.MeanAbsolutePercentageError()])
def test_losses_in_target_units(loss):
    data, y = load_diabetes(return_X_y=True, scaled=False)
    still = {**ONE_EPOCH, "optimizer__learning_rate": 0.0, "batch_size": 500}
    regressor = ScaledKerasRegressor(
        **still, loss=loss, loss_units="target", target_scaler="minmax"
    ).fit(data, y)
    function = loss if callable(loss) else keras.losses.get(loss)
    predicted = regressor.predict(data).reshape(-1, 1)
    expected = np.mean(np.asarray(function(y.reshape(-1, 1), predicted)))
    assert regressor.history_["loss"][0] == pytest.approx(expected, rel=1e-4)
    trained = ScaledKerasRegressor(
        **QUICK, loss=loss, loss_units="target", target_scaler="minmax"
    ).fit(data, y)
    assert trained.history_["loss"][-1] < trained.history_["loss"][0]


def test_a_checkpoint_with_a_loss_in_target_units_loads(tmp_path, diabetes):
    path = tmp_path / "last.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(path)
    ScaledKerasRegressor(
        **ONE_EPOCH,
        loss="poisson",
        loss_units="target",
        target_scaler="minmax",
        callbacks=[checkpoint],
    ).fit(*diabetes)
    assert keras.saving.load_model(path).output_shape == (None, 1)


BAD = {
    "outputs": (
        NAMED,
        {"model": lambda: heads_in_a_list((3,), {"price": (1,), "amount": (2,)})},
        r"but y has the outputs \['demand', 'price'\]\. Return a dict of outputs with these keys",
    ),
    "width of an output": (
        NAMED,
        {"model": lambda: heads_in_a_dict((3,), {"price": (1,), "demand": (3,)})},
        r"but y\['demand'\] has 2 columns\. End the network with Dense\(2\)",
    ),
    "shape of a sequence": (
        np.stack([STEPS, STEPS], axis=2),
        {"model": lambda: heads_in_a_list((3,), {"a": (12,)})},
        r"\('batch', 12\)\]?, but y has samples of shape \(6, 2\)\. End the network with that",
    ),
    "loss of no output": (
        NAMED,
        {"loss": {"prices": "mse"}},
        r"loss names the output 'prices', which y has not\. Did you mean 'price'",
    ),
    "metrics of no output": (NAMED, {"metrics": {"prices": ["mse"]}}, r"metrics names the output"),
    "missing scaler": (
        NAMED,
        {"target_scaler": {"price": None}},
        r"target_scaler lacks 'demand'",
    ),
    "no inverse": (
        NAMED,
        {"target_scaler": {"price": FunctionTransformer, "demand": None}},
        r"target_scaler\['price'\] must be one of",
    ),
    "columns of a dict": (NAMED, {"target_columns": {"a": [0]}}, r"target_columns says which"),
    "columns of a row": (
        STEPS[:, 0],
        {"target_columns": {"a": [0]}},
        r"target_columns needs a table, but y has shape \(80,\)",
    ),
    "columns left out": (
        STEPS[:, :3],
        {"target_columns": {"a": [0], "b": [1]}},
        r"target_columns must have each of the 3 columns of y once, got \{'a': \[0\], 'b': \[1\]\}",
    ),
    "nan": ({"price": [np.nan] * 80}, {}, r"y has no known target in any row that counts"),
    "units": (STEPS[:, 0], {"loss_units": "raw"}, r'loss_units must be "scaled" or "target", got'),
    "poisson of negative outputs": (
        STEPS[:, 0] - 1000,
        {"loss": "poisson", "loss_units": "target"},
        r"loss='poisson' is nan before training[\s\S]*target_scaler='minmax' keeps",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_targets(case):
    y, parameters, message = BAD[case]
    regressor = ScaledKerasRegressor(**ONE_EPOCH, **parameters)
    before = dict(vars(regressor))
    with pytest.raises((TypeError, ValueError), match=message):
        regressor.fit(TABLE, y)
    assert vars(regressor) == before


def test_several_labels_a_row():
    y = (X[:, 0] + X[:, 1] > 0).astype(int)
    classifier = ScaledKerasClassifier(**{**QUICK, "epochs": 60}, metrics=["binary_accuracy"])
    classifier.fit(X, y, X_val=X, y_val=y)
    assert classifier.classes_.tolist() == [0, 1, 2]
    p = classifier.predict_proba(X)
    assert p.shape == (80, 3)
    np.testing.assert_array_equal(classifier.predict(X), p > 0.5)
    assert classifier.history_["val_binary_accuracy"][-1] > 0.9
    assert classifier.network_.layers[-1].activation.__name__ == "sigmoid"
    np.testing.assert_allclose(keras.ops.convert_to_numpy(to_keras(classifier)(X)), p, atol=1e-6)
    frame = pd.DataFrame(y, columns=["a", "b", "c"])
    again = ScaledKerasClassifier(**ONE_EPOCH).fit(X, frame)
    assert again.predict(X).shape == (80, 3)
    scores = cross_val_score(ScaledKerasClassifier(**ONE_EPOCH), TABLE, y, error_score="raise")
    assert np.isfinite(scores).all()
    with pytest.raises(ValueError, match=r"is for one class a row, but y has several labels"):
        ScaledKerasClassifier(**ONE_EPOCH, loss="categorical_crossentropy").fit(X, y)
    with pytest.raises(ValueError, match=r"class_weight is for one label a row"):
        ScaledKerasClassifier(**ONE_EPOCH, class_weight="balanced").fit(X, y)


def test_class_weights(wine):
    data, y = wine
    kept = np.r_[np.flatnonzero(y == "barolo")[:8], np.flatnonzero(y == "barbera")]
    data, y = data[kept], y[kept]
    parameters = {**QUICK, "epochs": 3, "batch_size": 1000}
    balanced = ScaledKerasClassifier(**parameters, class_weight="balanced").fit(data, y)
    n = len(y)
    by_hand = {label: n / (2 * (y == label).sum()) for label in ("barolo", "barbera")}
    named = ScaledKerasClassifier(**parameters, class_weight=by_hand).fit(data, y)
    np.testing.assert_array_equal(balanced.predict_proba(data), named.predict_proba(data))
    weight = np.array([by_hand[label] for label in y])
    weighted = ScaledKerasClassifier(**parameters, input_scaler=None)
    weighted.fit(balanced.input_scaler_.transform(data), y, sample_weight=weight)
    np.testing.assert_allclose(
        weighted.predict_proba(balanced.input_scaler_.transform(data)),
        balanced.predict_proba(data),
        rtol=1e-4,
    )
    plain = ScaledKerasClassifier(**parameters).fit(data, y)
    assert np.abs(plain.predict_proba(data) - balanced.predict_proba(data)).max() > 0.01
    with pytest.raises(ValueError, match=r"class_weight names the label 'merlot', but y has"):
        ScaledKerasClassifier(**ONE_EPOCH, class_weight={"merlot": 2.0}).fit(data, y)
    with pytest.raises(ValueError, match=r'class_weight must be a dict, "balanced" or None, got 3'):
        ScaledKerasClassifier(**ONE_EPOCH, class_weight=3).fit(data, y)


def test_columns_by_name_have_the_order_of_fit_whatever_comes_later():
    frame = pd.DataFrame({"a": STEPS[:, 0], "b": 1e3 * STEPS[:, 1]})
    swapped = frame[["b", "a"]]
    regressor = ScaledKerasRegressor(**ONE_EPOCH, target_columns={"b": ["b"], "a": ["a"]})
    expected = regressor.fit(TABLE, frame).predict(TABLE)
    score = regressor.score(TABLE, frame)
    assert regressor.score(TABLE, swapped) == score == regressor.score(TABLE, frame.to_numpy())
    for y_val in (frame, swapped, frame.to_numpy()):
        regressor.fit(TABLE, frame, X_val=TABLE, y_val=y_val)
        assert regressor.history_["val_a_loss"][0] < 5
        np.testing.assert_array_equal(regressor.predict(TABLE), expected)
    one = ScaledKerasRegressor(**ONE_EPOCH, target_columns={"b": ["b"], "a": ["a"]})
    one.partial_fit(TABLE, frame).partial_fit(TABLE, swapped)
    other = ScaledKerasRegressor(**ONE_EPOCH, target_columns={"b": ["b"], "a": ["a"]})
    other.partial_fit(TABLE, frame).partial_fit(TABLE, frame)
    np.testing.assert_array_equal(one.predict(TABLE), other.predict(TABLE))
    other.set_params(target_columns=None)  # counts from the next fit on
    np.testing.assert_array_equal(one.predict(TABLE), other.predict(TABLE))
    with pytest.raises(ValueError, match=r"y_val has the columns \['a', 'c'\], but the y of fit"):
        one.fit(TABLE, frame, X_val=TABLE, y_val=frame.rename(columns={"b": "c"}))
    with pytest.raises(ValueError, match=r"y_val has shape \(80, 1\), but the y of fit had 2 col"):
        one.fit(TABLE, frame, X_val=TABLE, y_val=STEPS[:, :1])


def test_score_takes_the_targets_of_fit_alone():
    regressor = ScaledKerasRegressor(**ONE_EPOCH).fit(TABLE, {"q": STEPS[:, 0]})
    for y in ({"p": STEPS[:, 0]}, STEPS[:, 0]):
        with pytest.raises(ValueError, match=r"but the y of fit had the outputs \['q'\]\. Pass"):
            regressor.score(TABLE, y)


def test_correlations_are_those_of_target_units():
    y = STEPS[:, :3] * [1, 100, 1e4]
    metric = keras.metrics.CosineSimilarity(name="cosine")  # across columns, as correlations are
    regressor = ScaledKerasRegressor(**ONE_EPOCH, metrics=[metric])
    regressor.fit(TABLE, y, X_val=TABLE, y_val=y)
    expected = keras.metrics.CosineSimilarity()
    expected.update_state(y, regressor.predict(TABLE))
    assert regressor.history_["val_cosine"][0] == pytest.approx(float(expected.result()), rel=1e-5)

    class MeanAbsoluteError(keras.metrics.MeanAbsolutePercentageError):
        """Named as one that an offset does not change."""

    regressor = ScaledKerasRegressor(**ONE_EPOCH, metrics=[MeanAbsoluteError(name="own")])
    regressor.fit(TABLE, y[:, 0], X_val=TABLE, y_val=y[:, 0])
    error = 100 * np.abs(1 - regressor.predict(TABLE) / y[:, 0]).mean()
    assert regressor.history_["val_own"][0] == pytest.approx(error, rel=1e-5)


def test_a_list_of_losses_needs_outputs_in_a_list():
    with pytest.raises(ValueError, match=r"loss is a list, .* Give a dict of losses for 'price'"):
        ScaledKerasRegressor(**ONE_EPOCH, loss=["mae", "mse"]).fit(TABLE, NAMED)
    listed = ScaledKerasRegressor(heads_in_a_list, **ONE_EPOCH, loss=["mae", "mse"])
    named = ScaledKerasRegressor(
        heads_in_a_list, **ONE_EPOCH, loss={"price": "mae", "demand": "mse"}
    )
    assert listed.fit(TABLE, NAMED).history_ == named.fit(TABLE, NAMED).history_


@pytest.mark.parametrize("weights", [{0: -1.0}, {0: np.nan}, {0: 0.0, 1: 0.0}])
def test_class_weights_are_checked(weights):
    with pytest.raises(ValueError, match=r"class_weight must have finite weights >= 0, one of"):
        ScaledKerasClassifier(**ONE_EPOCH, class_weight=weights).fit(TABLE, np.arange(80) % 2)
