import inspect

import keras
import pytest
from sklearn.base import clone

from sklearn_keras_scaling import (
    MinMaxScaler,
    RobustScaler,
    ScaledKerasClassifier,
    ScaledKerasRegressor,
)

from . import ONE_EPOCH

ROUTED = {
    "model__units": 4,
    "optimizer__learning_rate": 0.5,
    "input_scaler__with_mean": False,
    "target_scaler__with_std": False,
    "loss__delta": 2.0,
    "compile__jit_compile": False,
    "fit__validation_freq": 2,
}


def build(input_shape, units=1):
    layers = [keras.Input(input_shape), keras.layers.Dense(units), keras.layers.Dense(1)]
    return keras.Sequential(layers)


def test_the_constructor_only_assigns():
    model, callbacks = object(), [object()]
    regressor = ScaledKerasRegressor(model, callbacks=callbacks, epochs="many", **ROUTED)
    assert regressor.model is model
    assert regressor.callbacks is callbacks
    assert {k: v for k, v in vars(regressor).items() if k != "_routed"}.items() <= (
        regressor.get_params(deep=False).items()
    )


def test_get_params_and_clone_keep_every_routed_parameter():
    regressor = ScaledKerasRegressor(build, **ROUTED)
    for copy in (regressor, clone(regressor), clone(clone(regressor))):
        assert ROUTED.items() <= copy.get_params().items()
    assert "optimizer__learning_rate=0.5" in repr(regressor)
    assert "_repr_html_" in dir(regressor)
    assert "optimizer__learning_rate" in regressor._repr_html_()


def test_set_params_routes_to_names_and_into_instances():
    regressor = ScaledKerasRegressor().set_params(
        input_scaler="robust", input_scaler__with_centering=False, optimizer__learning_rate=0.5
    )
    assert regressor.get_params()["input_scaler__with_centering"] is False
    assert regressor.get_params()["optimizer__learning_rate"] == 0.5
    scaler = MinMaxScaler()
    regressor = ScaledKerasRegressor(input_scaler=scaler)
    assert regressor.set_params(input_scaler__clip=True) is regressor
    assert scaler.clip is True  # as scikit-learn does
    assert regressor.get_params()["input_scaler__clip"] is True
    regressor = ScaledKerasRegressor(input_scaler__copy=False)
    regressor.set_params(input_scaler=RobustScaler(), input_scaler__copy=True)
    assert regressor.get_params()["input_scaler__copy"] is True


def test_routed_parameters_reach_their_parts(diabetes):
    regressor = ScaledKerasRegressor(
        build, **{**ONE_EPOCH, **ROUTED, "epochs": 2}, loss="huber", validation_split=0.2
    )
    regressor.fit(*diabetes)
    assert regressor.network_.layers[0].units == 4
    assert regressor.network_.optimizer.learning_rate == 0.5
    assert regressor.input_scaler_.with_mean is False
    assert regressor.target_scaler_.with_std is False
    assert len(regressor.history_["val_loss"]) == 1  # of two epochs


@pytest.mark.parametrize(
    "optimizer",
    [
        "sgd",
        "SGD",
        keras.optimizers.SGD(momentum=0.9),
        keras.optimizers.SGD,
        {"class_name": "SGD", "config": {"momentum": 0.9}},
    ],
    ids=["name", "class name", "instance", "class", "config"],
)
def test_optimizers_of_every_form_take_routed_parameters(optimizer, diabetes):
    regressor = ScaledKerasRegressor(
        **{**ONE_EPOCH, "optimizer": optimizer, "optimizer__learning_rate": 0.25}
    )
    for _ in range(2):  # an instance serves more than one fit
        fitted = regressor.fit(*diabetes).network_.optimizer
        assert isinstance(fitted, keras.optimizers.SGD)
        assert fitted is not optimizer
        assert float(fitted.learning_rate) == 0.25


@pytest.mark.parametrize("loss", ["huber", keras.losses.Huber(), keras.losses.Huber])
def test_losses_of_every_form_take_routed_parameters(loss, diabetes):
    losses = [
        ScaledKerasRegressor(**ONE_EPOCH, loss=loss, loss__delta=delta).fit(*diabetes).history_
        for delta in (0.1, 10.0)
    ]
    assert losses[0]["loss"][0] < losses[1]["loss"][0] / 2


def test_learning_rate_schedules_and_metric_forms(diabetes):
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)

    def largest(y_true, y_pred):
        return keras.ops.max(keras.ops.abs(y_true - y_pred), axis=-1)

    metrics = ["mae", keras.metrics.MeanSquaredError, keras.metrics.R2Score(name="r2"), largest]
    regressor = ScaledKerasRegressor(
        **{**ONE_EPOCH, "optimizer__learning_rate": schedule}, metrics=metrics
    ).fit(*diabetes)
    assert set(regressor.history_) == {"loss", "mae", "mean_squared_error", "r2", "largest"}
    assert regressor.history_["largest"][0] > 20  # in target units


def test_the_signature_shows_the_parameters_and_init_takes_the_routed():
    for cls in (ScaledKerasRegressor, ScaledKerasClassifier):
        assert set(inspect.signature(cls).parameters) == set(cls().get_params())
        assert "routed" in inspect.signature(cls.__init__).parameters
