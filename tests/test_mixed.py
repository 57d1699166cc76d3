"""Several kinds of targets from one network.

scikit-learn's own checks do not apply: they make an estimator without parameters and fit it on a
single y, while `targets`, without which there is nothing to predict, is required here.
"""

import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics import accuracy_score, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler as SklearnScaler

from sklearn_keras_scaling import (
    Labels,
    Normal,
    Numbers,
    Ordinal,
    ScaledKerasEstimator,
    certify,
    to_keras,
)

from . import ONE_EPOCH
from .layers import numbers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
KIND = np.where(X[:, 0] > 0.3, "long", np.where(X[:, 0] < -0.5, "round", "short"))
SIZE = np.digitize(X[:, 1], [-0.5, 0.5])
TAGS = (X[:, :2] > 0).astype(int)
LENGTH = 1e3 + 100.0 * X[:, 0] + RNG.normal(size=60)
PLACE = np.c_[X[:, 1] - 40.0, 1e-3 * X[:, 2]]
Y = {"kind": KIND, "size": SIZE, "tags": TAGS, "length": LENGTH, "place": PLACE}
TARGETS = {
    "kind": "labels",
    "size": Ordinal(),
    "tags": "multilabel",
    "length": Numbers("minmax", distribution="normal", metrics=["coverage_0.9"]),
    "place": "numbers",
}
EAGER = {**ONE_EPOCH, "epochs": 2, "compile__run_eagerly": True}
FRAME = pd.DataFrame({"kind": KIND, "x": PLACE[:, 0], "length": LENGTH, "y": PLACE[:, 1]})
COLUMNS = {"kind": "kind", "place": ["y", "x"], "length": "length"}
OF_FRAME = {"kind": "labels", "place": "numbers", "length": "numbers"}


@pytest.fixture(scope="module")
def fitted():
    return ScaledKerasEstimator(targets=TARGETS, **EAGER).fit(X, Y)


@pytest.fixture(scope="module")
def of_frame():
    estimator = ScaledKerasEstimator(targets=OF_FRAME, target_columns=COLUMNS, **EAGER)
    return estimator.fit(X, FRAME)


def test_each_target_comes_back_as_its_kind(fitted):
    predicted = fitted.predict(X)
    assert set(predicted) == set(Y)
    for name, one in Y.items():
        assert predicted[name].shape == one.shape
        assert predicted[name].dtype.kind == one.dtype.kind
    assert set(predicted["kind"]) <= set(KIND)
    assert list(fitted.classes_) == ["kind", "size", "tags"]
    np.testing.assert_array_equal(fitted.classes_["kind"], ["long", "round", "short"])
    p = fitted.predict_proba(X)
    assert {name: one.shape for name, one in p.items()} == {
        "kind": (60, 3),
        "size": (60, 3),
        "tags": (60, 2),
    }
    np.testing.assert_allclose(p["size"].sum(axis=1), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(
        fitted.classes_["kind"][p["kind"].argmax(axis=1)], predicted["kind"]
    )
    scalers = fitted.targets_.scalers
    np.testing.assert_allclose(scalers["length"].data_min_, LENGTH.min())
    np.testing.assert_allclose(scalers["place"].mean_, PLACE.mean(axis=0))
    assert scalers["kind"] is None
    assert "length_coverage_0.9" in fitted.history_


def test_the_score_is_the_mean_of_those_of_the_targets(fitted):
    predicted = fitted.predict(X)
    scores = [accuracy_score(Y[name], predicted[name]) for name in ("kind", "size", "tags")]
    scores += [r2_score(Y[name], predicted[name]) for name in ("length", "place")]
    assert fitted.score(X, Y) == pytest.approx(np.mean(scores))
    weight = RNG.integers(1, 4, size=60)
    rows = np.repeat(np.arange(60), weight)
    of_rows = {name: one[rows] for name, one in Y.items()}
    assert fitted.score(X, Y, weight) == pytest.approx(fitted.score(X[rows], of_rows))


def test_distributions_of_those_that_have_some(fitted):
    assert set(fitted.predict_quantiles(X)) == {"length"}
    found = fitted.predict_interval(X, 0.5)["length"]
    assert found.shape == (60, 2)
    assert fitted.sample(X, 7, 0)["length"].shape == (60, 7)
    assert set(fitted.log_likelihood(X, Y)) == {"length"}
    regressor = fitted.at_quantile(0.25)
    np.testing.assert_array_equal(regressor.predict(X)["length"], found[:, 0])


def test_one_exported_model_with_named_outputs(fitted, tmp_path):
    model = to_keras(fitted)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    predicted, p = fitted.predict(X), fitted.predict_proba(X)
    found = {name: numbers(one) for name, one in loaded(X).items()}
    assert set(found) == set(Y)
    for name, one in p.items():
        np.testing.assert_allclose(found[name], one, atol=1e-6)
    for name in ("length", "place"):
        bound = 1e-5 * Y[name].std(axis=0) + 1e-6 * np.abs(Y[name]).max()
        assert (np.abs(found[name] - predicted[name]) <= bound).all()
    assert certify(fitted, model, X).given < 1e-3
    asked = ("mean", "std", "quantile_0.1")
    said = to_keras(fitted, outputs=asked)
    found = {name: numbers(one) for name, one in said(X).items()}
    assert set(found) == {"length_mean", "length_std", "length_quantile_0.1", "place_mean"}
    np.testing.assert_allclose(found["length_mean"], predicted["length"], rtol=1e-5)
    low = fitted.predict_quantiles(X, 0.1)["length"][:, 0]
    near_zero = 1e-5 * Y["length"].std()  # float32 of outputs of order 1, seen through the scale
    np.testing.assert_allclose(found["length_quantile_0.1"], low, rtol=1e-5, atol=near_zero)
    assert certify(fitted, said, X, outputs=asked).given < 1e-3


def test_pickles_and_clones(fitted):
    loaded = pickle.loads(pickle.dumps(fitted))
    for name, one in fitted.predict(X).items():
        np.testing.assert_array_equal(loaded.predict(X)[name], one)
    unfitted = clone(fitted)
    with pytest.raises(NotFittedError):
        unfitted.predict(X)
    again = unfitted.fit(X, Y)
    np.testing.assert_array_equal(again.predict(X)["length"], fitted.predict(X)["length"])
    # What was given is as it was.
    assert TARGETS["length"].scaler_ is None
    assert "distribution" in repr(fitted)


# Tables


def test_a_table_comes_back(of_frame):
    predicted = of_frame.predict(X)
    assert isinstance(predicted, pd.DataFrame)
    assert list(predicted.columns) == list(FRAME.columns)
    assert set(predicted["kind"]) <= set(KIND)
    scaler = of_frame.targets_.scalers["place"]
    np.testing.assert_allclose(scaler.mean_, FRAME[["y", "x"]].mean())
    bound = of_frame.set_params(verbose=0).score(X, FRAME)
    assert np.isfinite(bound)
    shuffled = FRAME[["y", "length", "kind", "x"]]
    assert of_frame.score(X, shuffled) == bound
    exported = to_keras(of_frame)(X)
    np.testing.assert_allclose(
        numbers(exported["place"]), predicted[["y", "x"]], rtol=1e-4, atol=1e-6
    )
    assert certify(of_frame, to_keras(of_frame), X).given < 1e-3


def test_columns_of_the_targets_names_need_no_map():
    targets = {"length": Numbers(distribution="normal"), "kind": "labels"}
    estimator = ScaledKerasEstimator(targets=targets, **EAGER).fit(X, FRAME)
    predicted = estimator.predict(X)
    assert list(predicted.columns) == ["kind", "length"]  # in the table's order
    by_dict = ScaledKerasEstimator(targets=targets, **EAGER).fit(
        X, {"length": LENGTH, "kind": KIND}
    )
    np.testing.assert_array_equal(predicted["length"], by_dict.predict(X)["length"])
    for method in ("predict_quantiles", "predict_interval", "sample"):
        expected = getattr(by_dict, method)(
            X, **({"random_state": 0} if method == "sample" else {})
        )
        found = getattr(estimator, method)(X, **({"random_state": 0} if method == "sample" else {}))
        assert set(found) == {"length"}
        np.testing.assert_array_equal(found["length"], expected["length"])
    asked = ("std", "quantile_0.1")
    model = to_keras(estimator, outputs=asked)
    assert set(model(X)) == {"length_std", "length_quantile_0.1"}
    assert certify(estimator, model, X, outputs=asked).given < 1e-4


def test_an_array_has_columns_by_number():
    table = np.c_[PLACE, LENGTH]
    estimator = ScaledKerasEstimator(
        targets={"place": "numbers", "length": "numbers"},
        target_columns={"place": [0, 1], "length": 2},
        **EAGER,
    ).fit(X, table)
    predicted = estimator.predict(X)
    assert {name: one.shape for name, one in predicted.items()} == {
        "place": (60, 2),
        "length": (60,),
    }


def test_pipelines_and_searches():
    estimator = ScaledKerasEstimator(targets=OF_FRAME, target_columns=COLUMNS, **EAGER)
    grid = {"optimizer__learning_rate": [0.01, 0.1]}
    search = GridSearchCV(estimator, grid, cv=2, error_score="raise")
    pipeline = make_pipeline(SklearnScaler(), search).fit(X, FRAME)
    assert np.isfinite(search.best_score_)
    assert list(pipeline.predict(X).columns) == list(FRAME.columns)
    model = to_keras(pipeline)
    found = numbers(model(X)["length"])
    np.testing.assert_allclose(found, pipeline.predict(X)["length"], rtol=1e-5)


# Missing values, weights, metrics


def gaps(seed):
    return np.random.default_rng(seed).random(60) < 0.3


def missing():
    kind = KIND.astype(object)
    kind[gaps(0)] = None
    return {
        "kind": kind,
        "size": np.where(gaps(1), -1, SIZE),
        "tags": np.where(gaps(2)[:, None], np.nan, TAGS),
        "length": np.where(gaps(3), np.nan, LENGTH),
        "place": np.where(np.c_[gaps(4), gaps(5)], np.nan, PLACE),
    }


def test_each_kind_may_have_gaps():
    targets = {**TARGETS, "size": Ordinal(missing_label=-1)}
    y = missing()
    still = {**EAGER, "epochs": 1, "optimizer__learning_rate": 0.0}
    estimator = ScaledKerasEstimator(targets=targets, **still).fit(X, y, X_val=X, y_val=y)
    predicted, p = estimator.predict(X), estimator.predict_proba(X)
    assert set(predicted["kind"]) <= set(KIND)
    assert set(predicted["size"]) <= {0, 1, 2}
    assert all(np.isfinite(one).all() for one in (predicted["length"], predicted["place"]))
    known = ~gaps(0)
    right = p["kind"][known, np.searchsorted(estimator.classes_["kind"], KIND[known])]
    loss = -np.log(right).sum() / known.sum()
    assert estimator.history_["val_kind_loss"][0] == pytest.approx(loss, rel=1e-4)
    error = (predicted["place"] - PLACE) / estimator.targets_.scalers["place"].scale_
    expected = np.mean(error[~np.c_[gaps(4), gaps(5)]] ** 2)
    assert estimator.history_["val_place_loss"][0] == pytest.approx(expected, rel=1e-4)
    scores = [
        np.mean((predicted["kind"] == KIND)[~gaps(0)]),
        np.mean((predicted["size"] == SIZE)[~gaps(1)]),
        np.mean((predicted["tags"] == TAGS).all(axis=1)[~gaps(2)]),
        r2_score(LENGTH[~gaps(3)], predicted["length"][~gaps(3)]),
        np.mean(
            [r2_score(PLACE[~gaps(4 + i), i], predicted["place"][~gaps(4 + i), i]) for i in (0, 1)]
        ),
    ]
    assert estimator.score(X, y) == pytest.approx(np.mean(scores))
    assert np.isfinite(estimator.fit(X, y).score(X, Y))
    frame = pd.DataFrame({"kind": y["kind"], "length": y["length"]})
    of_frame = ScaledKerasEstimator(targets={"kind": "labels", "length": "numbers"}, **EAGER)
    assert np.isfinite(of_frame.fit(X, frame).score(X, frame))


def test_weights_of_targets_and_of_classes():
    still = {**EAGER, "epochs": 1, "optimizer__learning_rate": 0.0}
    weights = {"long": 3.0, "round": 1.0, "short": 0.5}
    targets = {
        "kind": Labels(class_weight=weights, weight=2.0, metrics=["accuracy"]),
        "length": Numbers(weight=0.25, loss="mean_absolute_error", metrics=["mae"]),
    }
    y = {name: Y[name] for name in targets}
    estimator = ScaledKerasEstimator(targets=targets, **still).fit(X, y, X_val=X, y_val=y)
    history = {name: values[0] for name, values in estimator.history_.items()}
    p = estimator.predict_proba(X)["kind"]
    loss = -np.log(p[np.arange(60), np.searchsorted(estimator.classes_["kind"], KIND)])
    of_classes = np.array([weights[one] for one in KIND])
    assert history["kind_loss"] == pytest.approx(np.mean(of_classes * loss), rel=1e-4)
    assert history["val_kind_loss"] == pytest.approx(loss.mean(), rel=1e-4)
    total = 2.0 * history["kind_loss"] + 0.25 * history["length_loss"]
    assert history["loss"] == pytest.approx(total, rel=1e-5)
    error = np.abs(estimator.predict(X)["length"] - LENGTH)
    assert history["length_mae"] == pytest.approx(error.mean(), rel=1e-4)
    assert history["length_loss"] == pytest.approx(error.mean() / LENGTH.std(), rel=1e-4)
    accuracy = np.mean(estimator.predict(X)["kind"] == KIND)
    assert history["kind_accuracy"] == pytest.approx(accuracy, rel=1e-5)
    weight = {"kind": RNG.uniform(size=60)}
    weighted = clone(estimator).set_params(targets={**targets, "kind": "labels"})
    weighted.fit(X, y, sample_weight=weight)
    p = weighted.predict_proba(X)["kind"]
    loss = -np.log(p[np.arange(60), np.searchsorted(weighted.classes_["kind"], KIND)])
    expected = np.average(loss, weights=weight["kind"])
    assert weighted.history_["kind_loss"][0] == pytest.approx(expected, rel=1e-4)


# Training


def heads(input_shape, output_shape, output_activation, meta):
    assert meta["classes"]["kind"].tolist() == ["long", "round", "short"]
    assert output_shape == {"kind": (3,), "length": (2,), "place": (2,)}
    assert meta["distribution"] == {"length": Normal()}
    inputs = keras.Input(input_shape)
    hidden = keras.layers.Dense(8, activation="relu")(inputs)
    return keras.Model(
        inputs,
        {
            name: keras.layers.Dense(shape[0], output_activation[name])(hidden)
            for name, shape in output_shape.items()
        },
    )


def test_a_builder_is_offered_what_each_target_needs():
    targets = {"kind": "labels", "length": Numbers(distribution="normal"), "place": "numbers"}
    y = {name: Y[name] for name in targets}
    estimator = ScaledKerasEstimator(heads, targets=targets, **EAGER).fit(X, y)
    assert set(estimator.predict(X)) == set(targets)


def test_it_learns():
    targets = {name: TARGETS[name] for name in ("kind", "length", "place")}
    given = {**ONE_EPOCH, "epochs": 40, "batch_size": 20}
    y = {name: Y[name] for name in targets}
    estimator = ScaledKerasEstimator(targets=targets, **given).fit(X, y)
    assert estimator.engine_ == "compiled"
    predicted = estimator.predict(X)
    assert np.mean(predicted["kind"] == KIND) > 0.9
    assert r2_score(LENGTH, predicted["length"]) > 0.5
    assert r2_score(PLACE, predicted["place"]) > 0.8


@pytest.mark.parametrize("n_members", [1, 2])
def test_training_goes_on(n_members):
    estimator = ScaledKerasEstimator(targets=TARGETS, n_members=n_members, **EAGER)
    y = missing()
    y["size"] = SIZE
    parts = [{name: one[rows] for name, one in y.items()} for rows in (slice(0, 40), slice(40, 60))]
    estimator.partial_fit(X[:40], parts[0]).partial_fit(X[40:], parts[1])
    estimator.set_params(warm_start=True).fit(X, y)
    assert all(int(one.optimizer.iterations) == 4 for one in estimator.members_)
    assert np.isfinite(estimator.score(X, Y))
    assert certify(estimator, to_keras(estimator), X).given < 1e-3
    with pytest.raises(ValueError, match="The label 'flat' is none of those that the first fit"):
        estimator.fit(X, {**y, "kind": np.full(60, "flat")})


def test_streams_equal_memory():
    tf = pytest.importorskip("tensorflow")
    y = {name: Y[name] for name in ("kind", "length", "place")}
    y["kind"] = SIZE
    targets = {"kind": "labels", "length": Numbers("minmax"), "place": "numbers"}
    one_batch = {**EAGER, "batch_size": 60}
    stream = tf.data.Dataset.from_tensor_slices((X, y)).batch(60)
    streamed = ScaledKerasEstimator(targets=targets, **one_batch).fit(stream)
    memory = ScaledKerasEstimator(targets=targets, **one_batch).fit(X, y)
    for name, one in memory.predict(X).items():
        np.testing.assert_allclose(streamed.predict(X)[name], one, rtol=1e-4, atol=1e-6)


# Bad input

NUMBERS = {"length": "numbers"}


@pytest.mark.parametrize(
    ("targets", "y", "error", "text"),
    [
        (None, Y, TypeError, "targets must be a dict from names to kinds"),
        ({}, Y, TypeError, "targets must be a dict from names to kinds"),
        ({1: "labels"}, {1: KIND}, TypeError, "targets must have names of type str, got 1"),
        (
            {"kind": "label"},
            Y,
            ValueError,
            r"targets\['kind'\]='label' is unknown. Did you mean 'labels'",
        ),
        (
            {"kind": 3},
            Y,
            TypeError,
            r"targets\['kind'\] must be one of 'numbers', 'labels', .* got 3",
        ),
        ({"kind": Numbers}, Y, TypeError, r"targets\['kind'\] must be one of"),
        (
            {"kinds": "labels"},
            Y,
            ValueError,
            "targets names 'kinds', which y has not. Did you mean 'kind'",
        ),
        ({"kinds": "labels"}, FRAME, ValueError, "'kinds'.*Did you mean 'kind'"),
        (NUMBERS, LENGTH, ValueError, "needs a table, but y has shape"),
        (
            NUMBERS,
            {"length": KIND},
            ValueError,
            r"y\['length'\] has text.*Labels are for .*'labels' of Scaled",
        ),
        ({"kind": "labels"}, {"kind": LENGTH}, ValueError, "Unknown label type: continuous"),
        (NUMBERS, {"length": LENGTH * np.nan}, ValueError, "y has no known target in any row"),
        (
            {"kind": "labels", **NUMBERS},
            {"length": LENGTH, "kind": np.full(60, None)},
            ValueError,
            r"y\['kind'\] has no known label: all are missing",
        ),
        (
            {"place": "numbers", **NUMBERS},
            {"length": LENGTH, "place": PLACE * [1.0, np.nan]},
            ValueError,
            r"y\['place'\] has no known number in column 1",
        ),
        ({"length": Numbers(distribution="normall")}, Y, ValueError, "Did you mean 'normal'"),
        ({"length": Numbers("standrad")}, Y, ValueError, "standrad"),
        ({"length": Numbers(loss="crps")}, Y, ValueError, "crps"),
        ({"length": Numbers(statistic="mode")}, Y, ValueError, "statistic.*must be one of"),
        (
            NUMBERS,
            {"length": LENGTH, "kind": KIND},
            ValueError,
            "y has 'kind', whose kind targets does",
        ),
        ({"kind": Labels(class_weight={"flat": 2.0})}, Y, ValueError, r"class_weight.*'flat'"),
    ],
    ids=range(20),
)
def test_wrong_targets_are_explained(targets, y, error, text):
    estimator = ScaledKerasEstimator(targets=targets, **EAGER)
    before = dict(vars(estimator))
    if y is Y and targets:
        y = {name: y[name] for name in y if name in targets} or {"kind": KIND}
    with pytest.raises(error, match=text):
        estimator.fit(X, y)
    assert vars(estimator) == before


def test_what_is_asked_of_targets_that_do_not_say_it():
    estimator = ScaledKerasEstimator(targets={"kind": "labels", **NUMBERS}, **EAGER)
    estimator.fit(X, {"kind": KIND, "length": LENGTH})
    for ask in (
        lambda: estimator.predict_quantiles(X),
        lambda: estimator.sample(X),
        lambda: estimator.log_likelihood(X, {"kind": KIND, "length": LENGTH}),
        lambda: to_keras(estimator, outputs=("std",)),
    ):
        with pytest.raises(
            ValueError, match=r"of y\['length'\] is not known|\['kind'\] has labels"
        ):
            ask()
    with pytest.raises(ValueError, match="y_val"):
        estimator.fit(X, {"kind": KIND, "length": LENGTH}, X_val=X, y_val={"length": LENGTH})
    with pytest.raises(ValueError, match="target_columns=None"):
        estimator.set_params(target_columns={"kind": 0, "length": 1}).fit(
            X, {"kind": KIND, "length": LENGTH}
        )
