"""Targets that are not known, and weights of single outputs and cells."""

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import get_scorer, mean_absolute_error, r2_score
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.preprocessing import PowerTransformer

from sklearn_keras_scaling import (
    ScaledKerasClassifier,
    ScaledKerasRegressor,
    known_scorer,
    to_keras,
)

from . import ONE_EPOCH
from .layers import numbers

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 3))
Y = 100.0 + 10.0 * X[:, 0] + RNG.normal(size=60)
TWO = np.c_[Y, X[:, 1] - 5.0]
ROWS = RNG.random(60) < 0.3
CELLS = RNG.random((60, 2)) < 0.3
EAGER = {**ONE_EPOCH, "epochs": 2, "batch_size": 16, "compile__run_eagerly": True}


def with_gaps(y, gaps):
    return np.where(gaps, np.nan, y)


def same(a, b):
    for one, other in zip(a.network_.get_weights(), b.network_.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert a.history_ == b.history_
    expected = b.predict(X)
    found = a.predict(X)
    for name in expected if isinstance(expected, dict) else [()]:
        # Weighted means of ones are rounded otherwise.
        np.testing.assert_allclose(found[name], expected[name], rtol=4 * np.finfo(float).eps)


def fit(y, weight=None, *, parameters=EAGER, rows=slice(None), **keywords):
    return ScaledKerasRegressor(**parameters, **keywords).fit(X[rows], y, sample_weight=weight)


# Missing


@pytest.mark.parametrize("distribution", [None, "normal"])
def test_a_row_without_a_target_is_as_if_left_out(distribution):
    given = {"distribution": distribution, "metrics": ["mae"]}
    whole = fit(with_gaps(Y, ROWS), **given)
    left = fit(Y[~ROWS], rows=~ROWS, **given)
    same(whole, left)
    np.testing.assert_array_equal(whole.input_scaler_.mean_, left.input_scaler_.mean_)
    assert whole.score(X, with_gaps(Y, ROWS)) == left.score(X[~ROWS], Y[~ROWS])
    column = fit(with_gaps(Y, ROWS)[:, None], **given)
    np.testing.assert_array_equal(column.predict(X)[:, 0], whole.predict(X))


def test_a_weight_is_that_of_the_rows_that_are_left():
    weight = RNG.uniform(0.5, 2.0, size=60)
    same(fit(with_gaps(Y, ROWS), weight), fit(Y[~ROWS], weight[~ROWS], rows=~ROWS))


@pytest.mark.parametrize("engine", ["keras", "compiled"])
def test_scalers_losses_and_metrics_see_the_cells_that_are_there(engine):
    y = with_gaps(TWO, CELLS)
    still = {**ONE_EPOCH, "optimizer__learning_rate": 0.0, "engine": engine}
    regressor = ScaledKerasRegressor(**still, metrics=["mae", "r2_score"])
    regressor.fit(X, y, X_val=X, y_val=y)
    np.testing.assert_allclose(regressor.target_scaler_.mean_, np.nanmean(y, axis=0), rtol=1e-12)
    np.testing.assert_allclose(regressor.target_scaler_.scale_, np.nanstd(y, axis=0), rtol=1e-12)
    predicted = regressor.predict(X)
    assert np.isfinite(predicted).all()
    error = predicted - TWO
    history = {name: values[0] for name, values in regressor.history_.items()}
    there = ~CELLS.all(axis=1)  # rows with nothing known are absent
    scaled = (error / regressor.target_scaler_.scale_)[there & True]
    expected = np.mean(scaled[~CELLS[there]] ** 2)
    for name in ("", "val_"):
        assert history[f"{name}loss"] == pytest.approx(expected, rel=1e-4)
        assert history[f"{name}mae"] == pytest.approx(np.abs(error[~CELLS]).mean(), rel=1e-4)
    r2 = np.mean([r2_score(TWO[k, i], predicted[k, i]) for i, k in enumerate((~CELLS).T)])
    assert regressor.score(X, y) == pytest.approx(r2)
    assert history["r2_score"] == pytest.approx(r2, rel=1e-3)


def test_a_batch_without_any_known_cell_has_no_loss():
    y = TWO.copy()
    y[:, 0] = np.nan
    y[0, 0] = 3.0
    named = {"a": y[:, 0], "b": y[:, 1]}
    regressor = fit(named, parameters={**EAGER, "batch_size": 4})
    for name in ("loss", "a_loss", "b_loss"):
        assert np.isfinite(regressor.history_[name]).all()
    assert np.isfinite(regressor.predict(X)["a"]).all()


def test_validation_may_have_gaps_where_training_has_none():
    given = {"metrics": ["mae"], "parameters": {**EAGER, "optimizer__learning_rate": 0.0}}
    gaps = with_gaps(TWO, CELLS)
    parameters = {**EAGER, "optimizer__learning_rate": 0.0}
    regressor = ScaledKerasRegressor(**parameters, metrics=["mae"]).fit(X, TWO, X_val=X, y_val=gaps)
    expected = np.abs(regressor.predict(X) - TWO)[~CELLS].mean()
    assert regressor.history_["val_mae"][0] == pytest.approx(expected, rel=1e-5)
    complete = fit(TWO, **given)
    every = (one.network_.get_weights() for one in (regressor, complete))
    for one, other in zip(*every, strict=True):
        np.testing.assert_array_equal(one, other)
    tf = pytest.importorskip("tensorflow")
    stream = tf.data.Dataset.from_tensor_slices((X, gaps)).batch(7)
    streamed = ScaledKerasRegressor(**parameters, metrics=["mae"])
    streamed.fit(X, TWO, validation_data=stream)
    assert streamed.history_["val_mae"][0] == pytest.approx(expected, rel=1e-5)
    assert streamed.history_["val_loss"][0] == pytest.approx(
        regressor.history_["val_loss"][0], rel=1e-5
    )
    held_out = ScaledKerasRegressor(**parameters, validation_split=0.3).fit(X, gaps)
    assert np.isfinite(held_out.history_["val_loss"]).all()


@pytest.mark.parametrize("weighted", [False, True])
def test_streams_with_gaps_equal_memory(weighted):
    tf = pytest.importorskip("tensorflow")
    gaps = with_gaps(TWO, CELLS)
    gaps[:16] = np.c_[np.full(16, np.nan), TWO[:16, 1]]  # a batch that knows nothing of a column
    gaps[16:32] = TWO[16:32]
    weight = RNG.uniform(0.5, 2.0, size=(60, 2)) if weighted else None
    there = ~np.isnan(gaps).all(axis=1)
    every = (X, gaps) if weight is None else (X, gaps, weight)
    stream = tf.data.Dataset.from_tensor_slices(every).batch(16)
    streamed = ScaledKerasRegressor(**EAGER).fit(stream)
    memory = ScaledKerasRegressor(**EAGER).fit(
        X[there], gaps[there], sample_weight=None if weight is None else weight[there]
    )
    np.testing.assert_allclose(streamed.target_scaler_.mean_, memory.target_scaler_.mean_)
    np.testing.assert_allclose(streamed.target_scaler_.scale_, memory.target_scaler_.scale_)
    first = [one.history_["loss"][-1] for one in (streamed, memory)]
    assert np.isfinite(first).all()
    still = {**EAGER, "epochs": 1, "batch_size": 100, "optimizer__learning_rate": 0.0}
    a = ScaledKerasRegressor(**still).fit(tf.data.Dataset.from_tensor_slices(every).batch(100))
    b = ScaledKerasRegressor(**still).fit(X, gaps, sample_weight=weight)
    assert a.history_["loss"][0] == pytest.approx(b.history_["loss"][0], rel=1e-5)


def test_partial_fit_may_meet_its_first_gaps_later():
    regressor = ScaledKerasRegressor(**EAGER).partial_fit(X, TWO)
    regressor.partial_fit(X, with_gaps(TWO, CELLS))
    regressor.partial_fit(X, TWO)
    assert np.isfinite(regressor.predict(X)).all()
    updated = ScaledKerasRegressor(**EAGER, update_scalers=True)
    for rows in (slice(0, 30), slice(30, 60)):
        updated.partial_fit(X[rows], with_gaps(TWO, CELLS)[rows])
    there = np.nanmean(with_gaps(TWO, CELLS), axis=0)
    np.testing.assert_allclose(updated.target_scaler_.mean_, there, rtol=1e-12)


def test_ensembles_and_named_outputs_have_gaps_too():
    named = {"a": with_gaps(Y, ROWS), "b": with_gaps(TWO, CELLS)}
    regressor = fit(named, distribution={"a": "normal", "b": None}, n_members=2)
    predicted = regressor.predict(X)
    assert all(np.isfinite(one).all() for one in predicted.values())
    assert np.isfinite(regressor.score(X, named))
    likelihood = regressor.log_likelihood(X, named)["a"]
    assert not likelihood[ROWS].any()
    assert (likelihood[~ROWS] != 0).all()
    exported = to_keras(regressor)(X)
    np.testing.assert_allclose(numbers(exported["a"]), predicted["a"], rtol=1e-4)


def test_a_column_without_any_target_is_named():
    y = TWO.copy()
    y[:, 1] = np.nan
    with pytest.raises(ValueError, match=r"^y has no known number in column 1: all are NaN, or of"):
        fit(y)
    with pytest.raises(ValueError, match="y has no known number in column 'price'"):
        fit(pd.DataFrame(y, columns=["size", "price"]))
    with pytest.raises(ValueError, match=r"y\['b'\] has no known number in column 0"):
        fit({"a": Y, "b": y[:, 1]})
    tf = pytest.importorskip("tensorflow")
    with pytest.raises(ValueError, match="y has no known number in column 1"):
        ScaledKerasRegressor(**EAGER).fit(tf.data.Dataset.from_tensor_slices((X, y)).batch(20))


def test_all_targets_missing():
    text = "y has no known target in any row that counts: all are missing, or of weight 0 in"
    regressor = ScaledKerasRegressor(**EAGER)
    before = dict(vars(regressor))
    for y in (Y * np.nan, TWO * np.nan, {"a": Y * np.nan}):
        with pytest.raises(ValueError, match=text):
            regressor.fit(X, y)
    assert vars(regressor) == before
    with pytest.raises(ValueError, match="y_val has no known target in any row"):
        regressor.fit(X, Y, X_val=X, y_val=Y * np.nan)
    # Of the rows that count.
    with pytest.raises(ValueError, match=text):
        regressor.fit(X, with_gaps(Y, ROWS), sample_weight=ROWS.astype(float))


def test_losses_that_mix_cells_are_refused_only_with_gaps():
    loss = keras.losses.CosineSimilarity()
    with pytest.raises(ValueError, match="cosine"):
        fit(with_gaps(TWO, CELLS), loss=loss)
    fit(with_gaps(TWO, CELLS), loss="huber", loss_units="target")


# Scores


def test_known_scorers_in_a_search():
    y = with_gaps(TWO, CELLS)
    grid = {"optimizer__learning_rate": [0.01, 0.1]}
    regressor = ScaledKerasRegressor(**EAGER)
    scoring = known_scorer("neg_mean_absolute_error")
    search = GridSearchCV(regressor, grid, scoring=scoring, cv=2, error_score="raise").fit(X, y)
    assert np.isfinite(search.best_score_)
    predicted = search.predict(X)
    expected = -np.mean(
        [mean_absolute_error(TWO[k, i], predicted[k, i]) for i, k in enumerate((~CELLS).T)]
    )
    assert scoring(search, X, y) == pytest.approx(expected)
    assert scoring(search, X, TWO) == get_scorer("neg_mean_absolute_error")(search, X, TWO)
    found = cross_val_score(regressor, X, with_gaps(Y, ROWS), cv=2, scoring=known_scorer())
    assert np.isfinite(found).all()
    fitted = regressor.fit(X, Y)
    weight = RNG.uniform(size=60)
    expected = r2_score(Y[~ROWS], fitted.predict(X)[~ROWS], sample_weight=weight[~ROWS])
    found = known_scorer()(fitted, X, with_gaps(Y, ROWS), sample_weight=weight)
    assert found == pytest.approx(expected)
    assert found == pytest.approx(fitted.score(X, with_gaps(Y, ROWS), weight))
    assert "mean_absolute_error" in repr(scoring)
    frame = pd.DataFrame(y, columns=["p", "q"])
    assert known_scorer()(search, X, frame) == pytest.approx(search.best_estimator_.score(X, frame))


# Weights


def test_weights_of_one_keep_the_bits_of_none():
    same(fit(TWO), fit(TWO, np.ones(60)))
    named = {"a": Y, "b": TWO}
    plain = fit(named)
    for weight in ({"a": np.ones(60), "b": np.ones(60)}, {"b": None}, {"a": np.ones(60)}):
        same(plain, fit(named, weight))
    close = fit(TWO, np.ones((60, 2)))
    np.testing.assert_allclose(close.predict(X), fit(TWO).predict(X), rtol=1e-5)


@pytest.mark.parametrize("scaler", [None, PowerTransformer()], ids=["none", "power"])
def test_a_cell_of_weight_zero_is_as_if_missing(scaler):
    wild, weight = np.where(CELLS, 1e6, TWO), np.where(CELLS, 0.0, 1.0)
    assert CELLS.all(axis=1).any()  # rows without any that counts are absent in both
    # Scalers that take weights take the means of a row's cells, which missing cells have not.
    given = {"input_scaler": None, "target_scaler": scaler, "metrics": ["mae"]}
    given["ignore_findings"] = ("SKS008",)  # of bare targets
    same(fit(with_gaps(TWO, CELLS), **given), fit(wild, weight, **given))
    named = {"a": np.where(ROWS, 1e6, Y), "b": Y}
    weighted = fit(named, {"a": (~ROWS).astype(float)}, **given)
    same(fit({**named, "a": with_gaps(Y, ROWS)}, **given), weighted)


def test_a_target_scaler_sees_no_cell_of_weight_zero():
    wild = np.where(CELLS, 1e6, TWO)
    regressor = fit(wild, np.where(CELLS, 0.0, 1.0))
    scale = regressor.target_scaler_.scale_
    np.testing.assert_allclose(scale, np.nanstd(with_gaps(TWO, CELLS), axis=0), rtol=0.3)


def test_weights_of_outputs():
    named = {"a": Y, "b": TWO}
    still = {**EAGER, "epochs": 1, "optimizer__learning_rate": 0.0}
    rows, cells = RNG.uniform(0.5, 2.0, size=60), RNG.uniform(0.5, 2.0, size=(60, 2))
    regressor = fit(named, {"a": rows, "b": cells}, parameters=still)
    error = {
        name: (one - regressor.predict(X)[name]) / regressor.target_scaler_[name].scale_
        for name, one in named.items()
    }
    history = {name: values[0] for name, values in regressor.history_.items()}
    expected = np.average(error["a"] ** 2, weights=rows)
    assert history["a_loss"] == pytest.approx(expected, rel=1e-5)
    expected = np.average(error["b"] ** 2, weights=cells)
    assert history["b_loss"] == pytest.approx(expected, rel=1e-5)
    with pytest.raises(ValueError, match=r"y\['b'\] has no known number.*or of weight 0\. Leave"):
        fit(named, {"a": rows, "b": np.zeros(60)}, parameters=still)
    frame = pd.DataFrame(np.c_[Y, TWO], columns=["p", "q", "r"])
    columns = {"a": ["p"], "b": ["q", "r"]}
    table = fit(frame, np.c_[rows, cells], parameters=still, target_columns=columns)
    assert table.history_["b_loss"][0] == pytest.approx(history["b_loss"], rel=1e-5)


@pytest.mark.parametrize(
    ("y", "weight", "text"),
    [
        (
            TWO,
            np.ones((60, 3)),
            r"sample_weight must have shape \(60,\), one a row, or \(60, 2\), one a cell",
        ),
        (TWO, np.ones((59, 2)), r"sample_weight must have shape \(60,\).*got \(59, 2\)"),
        (Y, np.ones((60, 2)), r"sample_weight must have shape \(60,\)"),
        (
            {"a": Y, "b": TWO},
            {"c": np.ones(60)},
            "sample_weight names the output 'c', which y has not",
        ),
        ({"a": Y, "bee": TWO}, {"be": np.ones(60)}, "'be', which y has not.*Did you mean 'bee'"),
        (
            {"a": Y, "b": TWO},
            {"b": np.ones((60, 3))},
            r"sample_weight\['b'\] must have shape \(60,\)",
        ),
        (
            {"a": Y, "b": TWO},
            np.ones((60, 3)),
            r"has shape \(60, 3\), but y has the outputs \['a', 'b'\]",
        ),
        (TWO, -np.ones((60, 2)), "sample_weight"),
        (TWO, np.full((60, 2), np.nan), "sample_weight"),
        (TWO, np.zeros((60, 2)), "all are missing, or of weight 0 in sample_weight"),
        (
            {"a": Y, "b": TWO},
            {"a": np.zeros(60), "b": np.zeros(60)},
            "of weight 0 in sample_weight",
        ),
        (Y, {"a": np.ones(60)}, "sample_weight"),
    ],
    ids=range(12),
)
def test_wrong_weights_are_explained(y, weight, text):
    regressor = ScaledKerasRegressor(**EAGER)
    before = dict(vars(regressor))
    with pytest.raises((ValueError, TypeError), match=text):
        regressor.fit(X, y, sample_weight=weight)
    assert vars(regressor) == before


def test_known_scorers_of_labels():
    labels = np.where(X[:, 0] > 0, "up", "down").astype(object)
    labels[::5] = None
    known = np.arange(60) % 5 > 0
    classifier = ScaledKerasClassifier(**EAGER).fit(X, labels)
    for scoring in ("accuracy", "neg_log_loss", "roc_auc"):
        expected = get_scorer(scoring)(classifier, X[known], labels[known].astype(str))
        assert known_scorer(scoring)(classifier, X, labels) == pytest.approx(expected, rel=1e-12)
    coded = np.where(known, (X[:, 0] > 0).astype(int), -1)
    classifier = ScaledKerasClassifier(**EAGER, missing_label=-1)
    scoring = known_scorer("accuracy", missing_label=-1)
    found = cross_val_score(classifier, X, coded, cv=3, scoring=scoring)
    np.testing.assert_allclose(found, cross_val_score(classifier, X, coded, cv=3))
    named = classifier.fit({"a": X}, coded)
    assert scoring(named, {"a": X}, coded) == pytest.approx(named.score({"a": X}, coded))
