import random

import keras
import numpy as np
import pytest
from sklearn.base import clone, is_regressor
from sklearn.datasets import load_linnerud
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer

from sklearn_keras_scaling import (
    MinMaxScaler,
    RobustScaler,
    ScaledKerasRegressor,
    SquashingScaler,
    StandardScaler,
    UnsupportedTransformerError,
    to_keras,
)

from . import ONE_EPOCH, QUICK


def linear(input_shape, output_shape, output_activation="linear", units=8, meta=None):
    layers = [keras.Input(input_shape), keras.layers.Dense(units, activation="relu")]
    output = keras.layers.Dense(output_shape[-1], activation=output_activation)
    return keras.Sequential([*layers, output])


def test_raw_data_and_nothing_else_is_enough(diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(random_state=0, epochs=20).fit(X, y)
    assert is_regressor(regressor)
    assert regressor.score(X, y) > 0.5
    assert regressor.n_features_in_ == 10
    assert regressor.n_outputs_ == 1
    assert [layer.units for layer in regressor.network_.layers] == [64, 64, 1]


def test_predict_is_scale_network_inverse_scale(regressor, diabetes):
    X, _ = diabetes
    Z = regressor.input_scaler_.transform(X).astype("float32")
    outputs = regressor.network_.predict(Z, verbose=0).astype("float64")
    by_hand = regressor.target_scaler_.inverse_transform(outputs).ravel()
    np.testing.assert_allclose(regressor.predict(X), by_hand, rtol=1e-6)
    assert regressor.predict(X).dtype == np.float64


@pytest.mark.parametrize("shape", [(20,), (20, 1), (20, 3)])
def test_predictions_have_the_axes_of_y(shape):
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(20, 2)), rng.normal(size=shape)
    regressor = ScaledKerasRegressor(**ONE_EPOCH).fit(X, y)
    assert regressor.predict(X).shape == shape
    assert to_keras(regressor)(X).shape == shape


def test_targets_of_different_units_are_scaled_column_by_column():
    X, y = load_linnerud(return_X_y=True)
    regressor = ScaledKerasRegressor(**QUICK, metrics=["mae"]).fit(X, y)
    np.testing.assert_allclose(regressor.target_scaler_.mean_, y.mean(axis=0))
    assert regressor.n_outputs_ == 3
    assert regressor.score(X, y) > 0


def test_history_is_a_plain_dict_with_metrics_in_target_units(diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(
        **{**QUICK, "batch_size": 1000, "optimizer__learning_rate": 0.0, "epochs": 2},
        metrics=["mae", keras.metrics.RootMeanSquaredError(), "mean_squared_error"],
    )
    regressor.fit(X, y, X_val=X, y_val=y)
    history = regressor.history_
    assert type(history) is dict
    assert all(type(v) is float for values in history.values() for v in values)
    error = regressor.predict(X) - y
    assert history["mae"][-1] == pytest.approx(np.abs(error).mean(), rel=1e-5)
    assert history["root_mean_squared_error"][-1] == pytest.approx(np.sqrt((error**2).mean()), 1e-5)
    assert history["mean_squared_error"][-1] == pytest.approx((error**2).mean(), rel=1e-5)
    # On identical data, without learning, training and validation agree.
    for name in ("loss", "mae", "root_mean_squared_error", "mean_squared_error"):
        assert history[f"val_{name}"][-1] == pytest.approx(history[name][-1], rel=1e-6)
    # The loss is in scaled space.
    assert history["loss"][-1] == pytest.approx((error**2).mean() / y.var(), rel=1e-5)


def test_metrics_keep_digits_that_float32_has_not():
    X = np.linspace(0, 1, 50).reshape(-1, 1)
    y = 1e8 + np.sin(7 * X.ravel())
    regressor = ScaledKerasRegressor(
        **{**ONE_EPOCH, "optimizer__learning_rate": 0.0}, metrics=["mae"]
    ).fit(X, y)
    error = np.abs(regressor.predict(X) - y).mean()
    assert regressor.history_["mae"][0] == pytest.approx(error, rel=1e-3)
    assert 0.1 < error < 10


def test_weighted_metrics_are_in_target_units_too(diabetes):
    X, y = diabetes
    weighted = ScaledKerasRegressor(
        **{**ONE_EPOCH, "optimizer__learning_rate": 0.0}, compile__weighted_metrics=["mae"]
    )
    weight = np.where(y > 150, 2.0, 1.0)
    weighted.fit(X, y, sample_weight=weight)
    error = np.average(np.abs(weighted.predict(X) - y), weights=weight)
    assert weighted.history_["mae"][0] == pytest.approx(error, rel=1e-4)


def test_scalers_never_see_a_validation_row(diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(**ONE_EPOCH, validation_split=0.25).fit(X, y)
    assert regressor.input_scaler_.n_samples_seen_ == 331
    assert regressor.target_scaler_.n_samples_seen_ == 331
    assert {"loss", "val_loss"} == set(regressor.history_)
    explicit = ScaledKerasRegressor(**ONE_EPOCH).fit(X[:300], y[:300], X_val=X[300:], y_val=y[300:])
    np.testing.assert_allclose(explicit.input_scaler_.mean_, X[:300].mean(axis=0), rtol=1e-14)
    assert "val_loss" in explicit.history_


@pytest.mark.parametrize(
    ("scaler", "activation"),
    [
        ("standard", "linear"),
        ("robust", "linear"),
        ("squash", "linear"),
        (SquashingScaler(0.5), "tanh"),
        (None, "linear"),
        ("minmax", "sigmoid"),
        (MinMaxScaler((0.1, 0.9)), "sigmoid"),
        (MinMaxScaler((-1, 1)), "tanh"),
        ("maxabs", "tanh"),
        (MinMaxScaler((0, 10)), "linear"),
    ],
)
def test_the_output_activation_fits_the_target_scaler(scaler, activation, diabetes):
    regressor = ScaledKerasRegressor(**ONE_EPOCH, target_scaler=scaler).fit(*diabetes)
    assert regressor.network_.layers[-1].activation.__name__ == activation


def test_a_builder_gets_what_it_asks_for(diabetes):
    seen = {}

    def build(input_shape, output_shape, output_activation, hidden_layer_sizes, meta, units=4):
        seen.update(locals())
        return linear(input_shape, output_shape, units=units)

    regressor = ScaledKerasRegressor(build, **ONE_EPOCH, model__units=5, target_scaler="minmax")
    regressor.fit(*diabetes)
    assert seen["input_shape"] == (10,)
    assert seen["output_shape"] == (1,)
    assert seen["output_activation"] == "sigmoid"
    assert seen["hidden_layer_sizes"] == (16,)
    assert seen["units"] == 5
    assert seen["meta"]["n_features_in"] == 10
    assert isinstance(seen["meta"]["input_scaler"], StandardScaler)
    assert isinstance(seen["meta"]["target_scaler"], MinMaxScaler)


def test_a_keras_model_is_never_modified_and_each_fit_starts_from_it(diabetes):
    X, y = diabetes
    model = linear((10,), (1,))
    before = [w.copy() for w in model.get_weights()]
    regressor = ScaledKerasRegressor(model, **ONE_EPOCH).fit(X, y)
    first = regressor.predict(X)
    np.testing.assert_array_equal(regressor.fit(X, y).predict(X), first)
    for kept, weight in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, weight)
    assert not model.compiled
    assert regressor.network_ is not model
    still = ScaledKerasRegressor(model, **{**ONE_EPOCH, "optimizer__learning_rate": 0.0})
    for kept, weight in zip(before, still.fit(X, y).network_.get_weights(), strict=True):
        np.testing.assert_array_equal(kept, weight)


def test_an_unbuilt_sequential_takes_its_shape_from_the_data(diabetes):
    model = keras.Sequential([keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
    a = ScaledKerasRegressor(model, **ONE_EPOCH).fit(*diabetes)
    b = ScaledKerasRegressor(model, **ONE_EPOCH).fit(*diabetes)
    assert not model.built
    np.testing.assert_array_equal(a.predict(diabetes[0]), b.predict(diabetes[0]))


def test_a_compiled_network_keeps_its_own_loss_and_optimizer(diabetes):
    def build(input_shape, output_shape):
        network = linear(input_shape, output_shape)
        network.compile(keras.optimizers.SGD(0.25), loss="mean_absolute_error")
        return network

    parameters = {"epochs": 1, "batch_size": 500, "random_state": 0}
    X, y = diabetes
    unbuilt = keras.Sequential([keras.layers.Dense(1)])
    unbuilt.compile(keras.optimizers.SGD(0.25), loss="mean_absolute_error")
    of_model = ScaledKerasRegressor(unbuilt, **parameters).fit(X, y)
    assert isinstance(of_model.network_.optimizer, keras.optimizers.SGD)
    own = ScaledKerasRegressor(build, **parameters).fit(X, y)
    assert isinstance(own.network_.optimizer, keras.optimizers.SGD)
    assert float(own.network_.optimizer.learning_rate) == 0.25
    named = ScaledKerasRegressor(
        build, **parameters, optimizer="rmsprop", loss="mean_squared_error"
    ).fit(X, y)
    assert isinstance(named.network_.optimizer, keras.optimizers.RMSprop)
    assert own.history_["loss"] != named.history_["loss"]
    own.set_params(warm_start=True, epochs=2).fit(X, y)
    assert isinstance(own.network_.optimizer, keras.optimizers.SGD)
    assert int(own.network_.optimizer.iterations) == 3


@pytest.mark.parametrize(
    "transformer",
    [
        FunctionTransformer(np.log1p, np.expm1),
        PowerTransformer(),
        RobustScaler(),
        None,
    ],
    ids=lambda t: type(t).__name__,
)
def test_any_invertible_transformer_scales_targets(transformer, diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(**QUICK, target_scaler=transformer).fit(X, y)
    Z = regressor.input_scaler_.transform(X).astype("float32")
    outputs = np.asarray(regressor.network_(Z), dtype="float64")
    by_hand = (
        transformer.fit(y.reshape(-1, 1)).inverse_transform(outputs) if transformer else outputs
    )
    np.testing.assert_allclose(regressor.predict(X), by_hand.ravel(), rtol=1e-5)


def to_hundredths(y):
    return y / 100


def from_hundredths(z):
    return z * 100


def test_a_transformer_without_a_graph_form_is_refused_only_where_it_needs_one(diabetes):
    X, y = diabetes
    hundredths = FunctionTransformer(to_hundredths, from_hundredths)
    regressor = ScaledKerasRegressor(**ONE_EPOCH, target_scaler=hundredths)
    with pytest.raises(UnsupportedTransformerError, match="from_hundredths has no form"):
        to_keras(regressor.fit(X, y))
    with pytest.raises(UnsupportedTransformerError, match="from_hundredths has no form"):
        regressor.set_params(metrics=["mae"]).fit(X, y)


@pytest.mark.parametrize(
    "scaler",
    [PCA(2), SelectKBest(f_regression, k=3), make_pipeline(StandardScaler(), PCA(2))],
    ids=["pca", "select", "pipeline"],
)
def test_an_input_scaler_may_change_the_columns_and_see_the_targets(scaler, diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(**ONE_EPOCH, input_scaler=scaler).fit(X, y)
    width = clone(scaler).fit(X, y).transform(X).shape[1]
    assert regressor.network_.input_shape == (None, width)
    assert regressor.predict(X).shape == y.shape


def test_arrays_are_left_alone_by_transformers_that_work_in_place(diabetes):
    X, y = (array.copy() for array in diabetes)
    in_place = PowerTransformer(copy=False)
    regressor = ScaledKerasRegressor(**ONE_EPOCH, input_scaler=in_place, target_scaler=in_place)
    first = regressor.fit(X, y).predict(X)
    np.testing.assert_array_equal(regressor.predict(X), first)
    np.testing.assert_array_equal(X, diabetes[0])
    np.testing.assert_array_equal(y, diabetes[1])


def test_a_loss_of_ones_own_is_not_judged_by_its_name(diabetes):
    def hinge_like(y_true, y_pred):
        return keras.ops.mean(keras.ops.square(y_true - y_pred), axis=-1)

    assert ScaledKerasRegressor(**QUICK, loss=hinge_like).fit(*diabetes).score(*diabetes) > 0.4


def test_scalers_that_return_pandas(diabetes):
    X, y = diabetes
    scaler = PowerTransformer().set_output(transform="pandas")
    regressor = ScaledKerasRegressor(**ONE_EPOCH, input_scaler=scaler, target_scaler=scaler)
    assert regressor.fit(X, y).predict(X).shape == y.shape


def test_a_builder_that_returns_the_same_network_again_is_refused(diabetes):
    network = linear((10,), (1,))
    regressor = ScaledKerasRegressor(lambda: network, **ONE_EPOCH).fit(*diabetes)
    with pytest.raises(ValueError, match=r"must return a new network in each call.*pass the keras"):
        clone(regressor).fit(*diabetes)


def test_a_fitted_network_goes_on_in_another_estimator(regressor, diabetes):
    X, y = diabetes
    still = {**ONE_EPOCH, "optimizer__learning_rate": 0.0}
    tuned = ScaledKerasRegressor(regressor.network_, **still).fit(X, y)
    for mine, theirs in zip(
        tuned.network_.get_weights(), regressor.network_.get_weights(), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_mixed_precision_trains_goes_on_and_predicts_float64(diabetes):
    X, y = diabetes
    keras.config.set_dtype_policy("mixed_float16")
    try:
        regressor = ScaledKerasRegressor(**QUICK, warm_start=True).fit(X, y)
        assert regressor.fit(X, y).score(X, y) > 0.4
        assert int(regressor.network_.optimizer.inner_optimizer.iterations) > 40
        found = to_keras(regressor).predict(X, verbose=0)
    finally:
        keras.config.set_dtype_policy("float32")
    assert np.abs(found - regressor.predict(X)).max() / y.std() < 1e-2  # float16 inside


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_metrics_of_differences_do_not_depend_on_the_offset(offset, diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(**QUICK, metrics=["r2_score", "mse"])
    history = regressor.fit(X, y + offset, X_val=X, y_val=y + offset).history_
    assert history["val_r2_score"][-1] == pytest.approx(regressor.score(X, y + offset), abs=1e-5)
    error = ((regressor.predict(X) - y - offset) ** 2).mean()
    assert history["val_mse"][-1] == pytest.approx(error, rel=1e-4)


def test_a_metric_of_several_numbers_is_a_list_in_the_history():
    X, y = load_linnerud(return_X_y=True)
    each = keras.metrics.R2Score(class_aggregation=None, name="each")
    history = ScaledKerasRegressor(**ONE_EPOCH, metrics=[each]).fit(X, y).history_
    assert np.shape(history["each"]) == (1, 3)


def test_scaler_instances_are_cloned(diabetes):
    scaler = RobustScaler()
    regressor = ScaledKerasRegressor(**ONE_EPOCH, input_scaler=scaler).fit(*diabetes)
    assert not hasattr(scaler, "center_")
    assert hasattr(regressor.input_scaler_, "center_")


def test_scaling_beats_the_same_network_unscaled(diabetes):
    X, y = diabetes
    train, test = np.arange(300), np.arange(300, 442)
    parameters = {"hidden_layer_sizes": (16, 16), "epochs": 25, "random_state": 0}
    scaled = ScaledKerasRegressor(**parameters).fit(X[train], y[train])
    raw = ScaledKerasRegressor(**parameters, input_scaler=None, target_scaler=None)
    raw.fit(X[train], y[train])
    assert scaled.score(X[test], y[test]) > raw.score(X[test], y[test]) + 0.1


def global_states():
    generator = keras.src.random.seed_generator.global_seed_generator()
    legacy = np.random.get_state()
    return (
        random.getstate(),
        (legacy[1].tolist(), *legacy[2:]),
        (id(generator), np.asarray(generator.state).tolist()),
    )


def test_same_seed_same_weights_and_global_states_as_found(diabetes):
    X, y = diabetes
    keras.random.normal(())  # makes the global generator
    before = global_states()
    a = ScaledKerasRegressor(**ONE_EPOCH).fit(X, y)
    assert global_states() == before
    b = clone(a).fit(X, y)
    other = clone(a).set_params(random_state=1).fit(X, y)
    np.testing.assert_array_equal(a.predict(X), b.predict(X))
    assert (a.predict(X) != other.predict(X)).any()


def test_a_row_is_predicted_to_the_same_bits_alone_and_in_any_order(regressor, diabetes):
    X, _ = diabetes
    whole = regressor.predict(X)
    order = np.random.default_rng(0).permutation(len(X))
    np.testing.assert_array_equal(regressor.predict(X[order]), whole[order])
    np.testing.assert_array_equal([regressor.predict(row[None])[0] for row in X[:70]], whole[:70])


def test_integer_weights_equal_repetition_and_weight_zero_equals_absence(diabetes):
    X, y = (a[:60] for a in diabetes)
    weight = np.random.default_rng(0).integers(0, 4, size=60)
    parameters = {**QUICK, "batch_size": 500}
    weighted = ScaledKerasRegressor(**parameters).fit(X, y, sample_weight=weight)
    repeated = ScaledKerasRegressor(**parameters).fit(X.repeat(weight, 0), y.repeat(weight))
    np.testing.assert_allclose(weighted.predict(X), repeated.predict(X), rtol=1e-4)
    present = weight > 0
    without = ScaledKerasRegressor(**{**QUICK, "batch_size": 7})
    left_out = clone(without).fit(X[present], y[present], sample_weight=weight[present])
    without.fit(X, y, sample_weight=weight)
    np.testing.assert_array_equal(without.predict(X), left_out.predict(X))


def test_warm_start_goes_on(diabetes):
    X, y = diabetes
    regressor = ScaledKerasRegressor(**ONE_EPOCH, warm_start=True).fit(X, y)
    first, scaler = regressor.history_["loss"][0], regressor.input_scaler_
    regressor.set_params(epochs=10, optimizer__learning_rate=0.01).fit(X, y)
    assert regressor.history_["loss"][-1] < first
    assert regressor.input_scaler_ is scaler
    assert int(regressor.network_.optimizer.iterations) == 2 + 20  # two batches an epoch
    assert float(regressor.network_.optimizer.learning_rate) == pytest.approx(0.01)
    with pytest.raises(ValueError, match=r"X has 9 features.*is expecting 10 features"):
        regressor.fit(X[:, :9], y)
    with pytest.raises(
        ValueError,
        match=r"y has samples of shape \(2,\), but the y of fit had samples of shape \(\)",
    ):
        regressor.fit(X, np.column_stack([y, y]))


def test_callbacks_are_copied_and_stop_training(diabetes):
    stop = keras.callbacks.EarlyStopping(monitor="val_mae", patience=1, min_delta=1e9)
    regressor = ScaledKerasRegressor(
        **QUICK, callbacks=[stop], metrics=["mae"], validation_split=0.2
    ).fit(*diabetes)
    assert len(regressor.history_["loss"]) == 2
    assert stop.model is None


def test_a_checkpoint_written_while_training_loads(diabetes, tmp_path):
    path = tmp_path / "best.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(path, save_best_only=True, monitor="val_mae")
    ScaledKerasRegressor(
        **ONE_EPOCH, callbacks=[checkpoint], metrics=["mae"], validation_split=0.2
    ).fit(*diabetes)
    assert keras.saving.load_model(path).output_shape == (None, 1)


def test_nothing_prints_unless_asked(diabetes, capfd):
    regressor = ScaledKerasRegressor(**ONE_EPOCH)
    for seed in range(7):  # TensorFlow advises against many traces from the fifth on
        regressor.set_params(random_state=seed).fit(*diabetes).predict(diabetes[0])
    assert capfd.readouterr() == ("", "")
    regressor.set_params(verbose=2).fit(*diabetes)
    assert "- loss: " in capfd.readouterr().out


def test_float_types_integers_and_memory_layouts(diabetes, tmp_path):
    X, y = (np.asarray(a[:50], dtype="float32") for a in diabetes)
    expected = ScaledKerasRegressor(**ONE_EPOCH).fit(X, y).predict(X)
    np.save(tmp_path / "X.npy", X)
    for given in (np.asfortranarray(X), np.load(tmp_path / "X.npy", mmap_mode="r"), X.tolist()):
        found = ScaledKerasRegressor(**ONE_EPOCH).fit(given, y).predict(given)
        np.testing.assert_allclose(found, expected, rtol=1e-5)
    for dtype in ("float16", "int8", "int64", "bool"):
        given = (X / 4).astype(dtype)
        assert np.isfinite(ScaledKerasRegressor(**ONE_EPOCH).fit(given, y).predict(given)).all()


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="float64 in the graph")
def test_targets_at_a_large_offset_come_back_in_raw_units():
    X = np.linspace(-1, 1, 200).reshape(-1, 1) + 1e6
    y = 1e8 + np.sin(3 * (X.ravel() - 1e6))
    regressor = ScaledKerasRegressor(**{**QUICK, "epochs": 150}).fit(X, y)
    assert np.abs(regressor.predict(X) - y).max() < 0.1
    model = to_keras(regressor)
    assert model.input.dtype == "float64"
    assert np.abs(np.asarray(model(X)) - regressor.predict(X)).max() < 1e-5


def test_one_row_and_constant_columns_train():
    regressor = ScaledKerasRegressor(**ONE_EPOCH).fit([[3.0, 1.0]], [5.0])
    assert regressor.predict([[3.0, 1.0]]) == pytest.approx(5.0, abs=2.0)
    X = np.column_stack([np.full(20, 3.0), np.arange(20.0)])
    constant = ScaledKerasRegressor(**QUICK).fit(X, np.full(20, 7.0))
    assert constant.predict(X + np.array([0.001, 0])) == pytest.approx(np.full(20, 7.0), abs=0.3)
