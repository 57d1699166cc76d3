"""Estimators that say distributions, fitted: results, exports, files, errors."""

import functools
import warnings
from dataclasses import dataclass

import joblib
import keras
import numpy as np
import pytest
from scipy import stats
from sklearn.base import clone
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.metrics import mean_pinball_loss
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, PowerTransformer
from sklearn.utils.validation import check_is_fitted

from sklearn_keras_scaling import (
    Normal,
    Quantiles,
    ScaledKerasRegressor,
    StudentT,
    certify,
    register_distribution,
    to_keras,
)
from sklearn_keras_scaling._structure import each, part

from . import QUICK
from .layers import WIDE, numbers
from .uncertain import (
    EAGER,
    FALLING,
    LOG,
    LOG1P,
    RNG,
    SKEWED,
    STILL,
    TARGETS,
    TWO,
    X,
    Y,
    dense,
    target_of,
)

needs_float64 = pytest.mark.skipif(WIDE != "float64", reason="there is no float64")
NAMES = ["normal", "student_t", "laplace", "quantiles", "zero_inflated_lognormal"]
CASES = [(name, "two") for name in NAMES] + [("normal", kind) for kind in TARGETS if kind != "two"]


@functools.cache
def fitted(name, kind):
    parameters = {}
    if kind == "table":
        parameters["target_columns"] = {"rest": ["r", "q"], "first": ["p"]}
        parameters["distribution"] = {"rest": name, "first": "laplace"}
    elif kind == "named":
        parameters["distribution"] = {"a": name, "b": "laplace"}
    else:
        parameters["distribution"] = name
    return ScaledKerasRegressor(**EAGER, **parameters).fit(X, TARGETS[kind])


def assert_shapes(found, y, *behind):
    if isinstance(y, dict):
        assert set(found) == set(y)
        for key, one in y.items():
            assert_shapes(found[key], one, *behind)
        return
    assert found.shape == (*y.shape, *behind)
    assert found.dtype == np.float64
    assert np.isfinite(found).all()


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_results_have_the_shape_of_the_targets(name, kind):
    regressor, y = fitted(name, kind), TARGETS[kind]
    mean, std = regressor.predict(X, return_std=True)
    assert_shapes(mean, y)
    assert_shapes(std, y)
    assert_shapes(regressor.predict_quantiles(X), y, 3)
    assert_shapes(regressor.predict_quantiles(X, 0.3), y, 1)
    assert_shapes(regressor.predict_interval(X), y, 2)
    assert_shapes(regressor.sample(X, 4, 0), y, 4)
    assert_shapes(regressor.at_quantile(0.3).predict(X), y)
    likelihood = regressor.log_likelihood(X, y)
    for one in likelihood.values() if isinstance(likelihood, dict) else [likelihood]:
        assert one.shape == (60,)
        assert np.isfinite(one).all()
    assert np.isfinite(regressor.score(X, y))


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_what_is_exported_is_what_the_host_says(name, kind, tmp_path):
    regressor = fitted(name, kind)
    first = "quantile_0.5" if name == "quantiles" else "mean"  # what is predicted
    asked = (first, "std", "quantile_0.05", "quantile_0.9")
    model = to_keras(regressor, outputs=asked)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    found = {key: numbers(one) for key, one in model(X).items()}
    low, high = (regressor.predict_quantiles(X, q) for q in (0.05, 0.9))
    every = [*regressor.predict(X, return_std=True), low, high]
    every[2:] = [each(lambda _, y: y[..., 0], one) for one in every[2:]]
    targets = TARGETS[kind] if isinstance(TARGETS[kind], dict) else {None: TARGETS[kind]}
    assert set(found) == {f"{key}_{one}" if key else one for key in targets for one in asked}
    for key, y in targets.items():
        for one, expected in zip(asked, every, strict=True):
            raw = found[f"{key}_{one}" if key else one]
            expected = part(expected, key)
            assert raw.shape == expected.shape
            # Float32 of outputs of order 1, seen through the scale, and of large numbers.
            bound = 1e-5 * (np.asarray(y).std(axis=0) + np.abs(expected))
            assert (np.abs(raw - expected) <= bound).all()
    for key, one in loaded(X).items():
        np.testing.assert_array_equal(numbers(one), found[key])
    assert certify(regressor, model, X, outputs=asked).given < 1e-4


def test_a_table_of_which_some_columns_have_a_distribution():
    columns, kinds = {"a": ["p", "r"], "b": ["q"]}, {"a": None, "b": "normal"}
    regressor = ScaledKerasRegressor(**EAGER, target_columns=columns, distribution=kinds)
    regressor.fit(X, TARGETS["table"])
    assert regressor.predict(X).shape == (60, 3)
    found = regressor.predict_interval(X)
    assert {name: one.shape for name, one in found.items()} == {"b": (60, 1, 2)}
    _, std = regressor.predict(X, return_std=True)
    assert list(std) == ["b"]
    model = to_keras(regressor, outputs=("mean", "std"))
    assert {name: one.shape[1:] for name, one in model(X).items()} == {"mean": (3,), "b_std": (1,)}
    assert certify(regressor, model, X, outputs=("mean", "std")).given < 1e-4


def test_pickles_and_clones(tmp_path):
    regressor = fitted("quantiles", "two")
    joblib.dump(regressor, tmp_path / "regressor")
    loaded = joblib.load(tmp_path / "regressor")
    np.testing.assert_array_equal(loaded.predict_interval(X), regressor.predict_interval(X))
    levels = {"distribution": "quantiles", "distribution__quantiles": (0.1, 0.25, 0.9)}
    other = clone(regressor).set_params(**levels)
    assert clone(other).get_params()["distribution__quantiles"] == (0.1, 0.25, 0.9)
    other.fit(X, Y)
    assert other.network_.output_shape == (None, 3)
    assert other.targets_.by_output.distribution_ == Quantiles((0.1, 0.25, 0.9))
    # Its own level is what the network says, unless they cross.
    outputs = np.sort(other.network_.predict(other.input_scaler_.transform(X), verbose=0))
    raw = outputs * Y.std() + Y.mean()
    np.testing.assert_allclose(other.predict_quantiles(X, (0.1, 0.25, 0.9)), raw, rtol=1e-6)


def test_parameters_of_a_distribution_are_searched():
    regressor = ScaledKerasRegressor(**EAGER, distribution="student_t")
    search = GridSearchCV(regressor, {"distribution__df": [3, 30]}, cv=2, error_score="raise")
    pipeline = make_pipeline(FunctionTransformer(), search).fit(X, Y)
    best = search.best_estimator_
    assert best.targets_.by_output.distribution_ == StudentT(
        search.best_params_["distribution__df"]
    )
    model = to_keras(pipeline, outputs=("std", "quantile_0.25"))
    assert certify(pipeline, model, X, outputs=("std", "quantile_0.25")).given < 1e-4
    found = numbers(model(X)["std"])
    np.testing.assert_allclose(found, best.predict(X, return_std=True)[1], rtol=1e-5)


@register_distribution("test_half_normal")
@dataclass(frozen=True)
class Halved(Normal):
    """A distribution of one's own: a normal one with a factor."""

    factor: float = 0.5

    def parameters(self, outputs, xp):
        loc, scale = super().parameters(outputs, xp)
        return loc, scale * self.factor


def test_a_distribution_of_ones_own(tmp_path):
    given = {"distribution": "test_half_normal", "distribution__factor": 0.25}
    regressor = ScaledKerasRegressor(**{**EAGER, "epochs": 1}, **given).fit(X, Y)
    _, std = regressor.predict(X, return_std=True)
    outputs = regressor.network_.predict(regressor.input_scaler_.transform(X), verbose=0)
    _, scale = Normal().parameters(outputs, np)
    np.testing.assert_allclose(std, scale * 0.25 * Y.std(), rtol=1e-6)
    model = to_keras(regressor, outputs="std")
    model.save(tmp_path / "model.keras")
    found = keras.saving.load_model(tmp_path / "model.keras")(X)["std"]
    np.testing.assert_allclose(numbers(found), std, rtol=1e-5)


# Metrics


def test_metrics_while_training_are_those_of_what_is_predicted():
    metrics = ["crps", "coverage_0.8", "interval_width_0.8", "pinball_0.05", "mae"]
    still = {**EAGER, "epochs": 1, "optimizer__learning_rate": 0.0}
    regressor = ScaledKerasRegressor(**still, distribution="normal", metrics=metrics, loss="crps")
    regressor.fit(X, Y, X_val=X, y_val=Y)
    mean, std = regressor.predict(X, return_std=True)
    low, high = regressor.predict_interval(X, 0.8).T
    pinball = mean_pinball_loss(Y, regressor.predict_quantiles(X, 0.05)[:, 0], alpha=0.05)
    z = (Y - mean) / std
    normal = stats.norm()
    crps = std * (z * (2 * normal.cdf(z) - 1) + 2 * normal.pdf(z) - 1 / np.sqrt(np.pi))
    history = {name: values[0] for name, values in regressor.history_.items()}
    expected = {
        "crps": crps.mean(),
        "coverage_0.8": np.mean((low <= Y) & (high >= Y)),
        "interval_width_0.8": np.mean(high - low),
        "pinball_0.05": pinball,
        "mae": np.abs(Y - mean).mean(),
    }
    for name, value in expected.items():
        assert history[f"val_{name}"] == pytest.approx(value, rel=1e-4)  # float32
        assert history[name] == pytest.approx(value, rel=1e-4)
    assert history["loss"] == pytest.approx(crps.mean() / Y.std(), rel=1e-4)


# What is predicted


def test_behind_a_power_the_median_is_predicted_and_a_mean_does_not_exist():
    given = {**STILL, "distribution": "normal", "target_scaler": PowerTransformer()}
    regressor = ScaledKerasRegressor(**given).fit(X, SKEWED)
    median = regressor.predict_quantiles(X, 0.5)[:, 0]
    np.testing.assert_array_equal(regressor.predict(X), median)
    text = "of y does not exist for all that the network may say: target_scaler=PowerTransformer"
    for ask in (
        lambda: regressor.predict(X, return_std=True),
        lambda: to_keras(regressor, outputs=("mean",)),
    ):
        with pytest.raises(ValueError, match=text):
            ask()
    before = dict(vars(regressor))
    regressor.target_statistic = "mean"
    with pytest.raises(ValueError, match=f"mean {text}.*Ask for quantiles, or use an affine"):
        regressor.fit(X, SKEWED)
    assert vars(regressor) == {**before, "target_statistic": "mean"}


def test_students_t_behind_an_exponential_has_quantiles_alone():
    given = {**STILL, "distribution": "student_t", "target_scaler": LOG}
    regressor = ScaledKerasRegressor(**given).fit(X, SKEWED)
    median = regressor.predict_quantiles(X, 0.5)[:, 0]
    np.testing.assert_array_equal(regressor.predict(X), median)
    with pytest.raises(ValueError, match=r"std of y does not exist.*StudentT|std.*'student_t'"):
        regressor.predict(X, return_std=True)
    assert np.isfinite(regressor.predict_interval(X)).all()
    assert np.isfinite(regressor.log_likelihood(X, SKEWED)).all()
    model = to_keras(regressor)
    np.testing.assert_allclose(numbers(model(X)), median, rtol=1e-5)


@pytest.mark.parametrize("statistic", ["mean", "median"])
def test_a_statistic_of_a_distribution(statistic):
    given = {**STILL, "distribution": "normal", "target_scaler": LOG, "target_statistic": statistic}
    regressor = ScaledKerasRegressor(**given).fit(X, SKEWED)
    outputs = regressor.network_.predict(regressor.input_scaler_.transform(X), verbose=0)
    mu, sigma = Normal().parameters(outputs, np)
    expected = np.exp(mu + (sigma**2 / 2 if statistic == "mean" else 0.0))
    std = expected * np.sqrt(np.expm1(sigma**2))
    assert (np.abs(regressor.predict(X) - expected) <= 1e-3 * std).all()
    np.testing.assert_allclose(numbers(to_keras(regressor)(X)), regressor.predict(X), rtol=1e-5)


@pytest.mark.parametrize("n_members", [1, 2])
def test_a_plain_networks_mean_is_smeared(n_members):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2000, 1))
    y = np.expm1(np.abs(2.0 + 0.3 * x[:, 0] + rng.normal(size=2000)))
    linear = {
        **QUICK,
        "epochs": 30,
        "hidden_layer_sizes": (),
        "target_scaler": LOG1P,
        "n_members": n_members,
    }
    median = ScaledKerasRegressor(**linear).fit(x, y)
    mean = ScaledKerasRegressor(**linear, target_statistic="mean").fit(x, y)
    assert median.predict(x).mean() < 0.75 * y.mean()
    assert mean.predict(x).mean() == pytest.approx(y.mean(), rel=0.05)
    found = numbers(to_keras(mean)(x))
    np.testing.assert_allclose(found, mean.predict(x), rtol=1e-5)
    # Duan's formula, over all the residuals.
    if n_members == 1:
        z = np.log1p(median.predict(x))
        residuals = np.log1p(y) - z
        duan = np.array([np.expm1(one + residuals).mean() for one in z])
        np.testing.assert_allclose(mean.predict(x), duan, rtol=0.1)  # 101 quantiles, cut
    missing = np.r_[y[:-1], np.nan]
    again = ScaledKerasRegressor(**{**linear, "epochs": 1}, target_statistic="mean")
    assert np.isfinite(again.fit(x, missing).predict(x)).all()


def test_the_mean_behind_an_affine_scaler_needs_nothing():
    plain, mean = (
        ScaledKerasRegressor(**STILL, target_statistic=statistic).fit(X, TWO)
        for statistic in (None, "mean")
    )
    np.testing.assert_array_equal(plain.predict(X), mean.predict(X))


# Bad input


@pytest.mark.parametrize(
    ("parameters", "error", "text"),
    [
        ({"distribution": "normall"}, ValueError, "'normall' is no known .* Did you mean 'normal'"),
        ({"distribution": 3}, TypeError, "distribution must be a name .* got 3"),
        ({"distribution__df": 3}, ValueError, "distribution__df was given, but distribution is No"),
        (
            {"distribution": "student_t", "distribution__dof": 3},
            ValueError,
            "no parameter 'dof'.*Did you mean 'distribution__df'",
        ),
        ({"distribution": "student_t", "distribution__df": -1}, ValueError, "df"),
        ({"distribution": {"a": "normal"}}, TypeError, "distribution must be a name"),
        (
            {"distribution": "quantiles", "distribution__quantiles": (0.0, 0.5)},
            ValueError,
            "between 0 and 1, both excluded",
        ),
        (
            {"distribution": "quantiles", "distribution__quantiles": (0.9, 0.1)},
            ValueError,
            "ascending",
        ),
        (
            {"distribution": "quantiles", "distribution__quantiles": (0.1, 0.1)},
            ValueError,
            "repeated|twice",
        ),
        ({"distribution": "quantiles", "distribution__quantiles": ()}, ValueError, "quantile"),
        (
            {"distribution": "normal", "model": dense(1)},
            ValueError,
            r"returns outputs of shape \('batch', 1\), but distribution=Normal\(\) needs 2 "
            r"numbers for each number of y.*End the network with Dense\(2\), without an activation",
        ),
        (
            {"distribution": "quantiles", "model": dense(2)},
            ValueError,
            "needs 3 numbers for each number of y",
        ),
        ({"model": dense(2)}, ValueError, r"but y has 1 column\. End the network with Dense\(1\)"),
        (
            {"distribution": "normal", "loss": "mse"},
            ValueError,
            "loss='mse' compares numbers, but with distribution='normal' the network returns param",
        ),
        ({"distribution": "normal", "loss": keras.losses.Huber()}, ValueError, "compares numbers"),
        (
            {"distribution": "normal", "loss__delta": 2.0},
            ValueError,
            "loss__delta: the loss of a distribution has no parameters. Give them to",
        ),
        (
            {"distribution": "normal", "loss_units": "target"},
            ValueError,
            "that of a distribution is the same in all units. Use 'scaled'",
        ),
        (
            {"distribution": "student_t", "distribution__df": 2.5, "loss": "crps"},
            ValueError,
            "no CRPS in a graph",
        ),
        ({"loss": "crps"}, ValueError, "loss='crps' is unknown to Keras|distribution"),
        (
            {"distribution": "normal", "metrics": ["coverage_90"]},
            ValueError,
            "Write 0.9 for 90 %|90",
        ),
        ({"metrics": ["coverage_0.9"]}, ValueError, "coverage_0.9"),
        (
            {"target_statistic": "mode"},
            ValueError,
            "target_statistic must be one of None, 'mean', 'median', got 'mode'",
        ),
        ({"target_statistic": "median"}, ValueError, "target_statistic='median' needs a distribu"),
        ({"n_members": 0}, ValueError, "n_members == 0, must be >= 1"),
        ({"n_members": 2.5}, TypeError, "n_members must be an instance of"),
        (
            {"distribution": "zero_inflated_lognormal", "target_scaler": "minmax"},
            ValueError,
            "gives zero a probability of its own, but target_scaler='minmax' moves zero",
        ),
        ({"distribution": "normal", "target_scaler": "none"}, ValueError, "target_scaler='none'"),
    ],
    ids=range(27),
)
def test_wrong_parameters_are_explained(parameters, error, text):
    regressor = ScaledKerasRegressor(**EAGER, **parameters)
    before = dict(vars(regressor))
    with pytest.raises(error, match=text):
        regressor.fit(X, Y)
    assert vars(regressor) == before


def test_numbers_below_zero_have_no_zero_inflated_distribution():
    regressor = ScaledKerasRegressor(**EAGER, distribution="zero_inflated_lognormal")
    before = dict(vars(regressor))
    with pytest.raises(ValueError, match="is of numbers from zero on, but y has -3 among others"):
        regressor.fit(X, np.r_[-3.0, Y[1:]])
    assert vars(regressor) == before


@pytest.mark.parametrize(
    ("quantiles", "text"),
    [
        ((0.0, 0.5), r"between 0 and 1, both excluded, got 0\.0\. Write 0\.95 for 95 %"),
        (95, "between 0 and 1, both excluded, got 95"),
        ((0.9, 0.1), r"not ascending: got \(0\.9, 0\.1\)\. Write \(0\.1, 0\.9\)"),
        ((0.1, 0.1, 0.9), r"repeated: got .*Write \(0\.1, 0\.9\)"),
        ((), "quantiles is empty"),
        ((np.nan,), "between 0 and 1"),
        (("0.5",), "between 0 and 1.*'0.5'"),
        ((True,), "between 0 and 1"),
        (None, "quantiles"),
    ],
    ids=range(9),
)
def test_wrong_quantiles_are_explained(quantiles, text):
    regressor = fitted("normal", "row")
    with pytest.raises(ValueError, match=text):
        regressor.predict_quantiles(X, quantiles)


def test_what_cannot_be_asked():
    regressor, plain = fitted("normal", "row"), ScaledKerasRegressor(**STILL).fit(X, Y)
    for coverage in (0.0, 1.0, 90):
        with pytest.raises(ValueError, match="coverage must lie between 0 and 1, both excluded"):
            regressor.predict_interval(X, coverage)
    with pytest.raises(TypeError, match="coverage must be an instance of"):
        regressor.predict_interval(X, "0.9")
    with pytest.raises(ValueError, match="n_samples == 0, must be >= 1"):
        regressor.sample(X, 0)
    with pytest.raises(ValueError, match="quantiles must lie between 0 and 1"):
        regressor.at_quantile(1.0)
    text = "of y is not known: the network says a number alone. Fit with distribution='normal'"
    with pytest.raises(ValueError, match=f"std {text} or another one, or with n_members=5"):
        plain.predict(X, return_std=True)
    for ask in (
        lambda: plain.predict_quantiles(X),
        lambda: plain.predict_interval(X),
        lambda: plain.sample(X),
        lambda: plain.log_likelihood(X, Y),
        lambda: plain.at_quantile(0.5),
        lambda: to_keras(plain, outputs=("quantile_0.5",)),
    ):
        with pytest.raises(ValueError, match=text):
            ask()
    with pytest.raises(ValueError, match="outputs names 'sd', but has 'mean', 'std' and 'quant"):
        to_keras(regressor, outputs=("sd",))
    with pytest.raises(ValueError, match="outputs names 'quantile_5'"):
        to_keras(regressor, outputs=("quantile_5",))
    for outputs in ((), ("mean", "mean")):
        with pytest.raises(ValueError, match="outputs must name one thing or more, each once"):
            to_keras(regressor, outputs=outputs)
    with pytest.raises(ValueError, match="y has samples of shape"):
        regressor.log_likelihood(X, TWO)
    with pytest.raises(NotFittedError):
        ScaledKerasRegressor(distribution="normal").predict_quantiles(X)
    with pytest.raises(NotFittedError):
        ScaledKerasRegressor(distribution="normal").at_quantile(0.5)


def test_a_failed_fit_leaves_the_one_before():
    regressor = ScaledKerasRegressor(**EAGER, distribution="normal").fit(X, Y)
    before, expected = dict(vars(regressor)), regressor.predict_interval(X)
    regressor.set_params(distribution="quantiles", loss="mse")
    with pytest.raises(ValueError, match="loss='mse' compares numbers"):
        regressor.fit(X, TWO)
    regressor.set_params(distribution="normal", loss=None)
    assert vars(regressor) == before
    np.testing.assert_array_equal(regressor.predict_interval(X), expected)


# Behind other scalers


def test_a_scaler_for_each_column():
    scalers = ["minmax", LOG]
    regressor = ScaledKerasRegressor(**STILL, distribution="normal", target_scaler=scalers)
    regressor.fit(X, TWO)
    outputs = regressor.network_.predict(regressor.input_scaler_.transform(X), verbose=0)
    mu, sigma = Normal().parameters(outputs, np)
    mean, std = regressor.predict(X, return_std=True)
    np.testing.assert_allclose(std[:, 0], sigma[:, 0] * np.ptp(Y), rtol=1e-3)
    means = np.exp(mu[:, 1] + sigma[:, 1] ** 2 / 2)
    assert (np.abs(mean[:, 1] - means) <= 1e-3 * std[:, 1]).all()
    asked = ("mean", "std", "quantile_0.1")
    assert certify(regressor, to_keras(regressor, outputs=asked), X, outputs=asked).given < 1e-4
    low = regressor.predict_quantiles(X, 0.1)[..., 0]
    expected = mu + sigma * stats.norm.ppf(0.1)
    np.testing.assert_allclose(low[:, 1], np.exp(expected[:, 1]), rtol=1e-6)


def test_intervals_stay_in_order_behind_a_scaler_that_falls():
    falls = FALLING["negative"]
    regressor = ScaledKerasRegressor(**STILL, distribution="laplace", target_scaler=falls)
    regressor.fit(X, TWO / [50.0, 1.0] - [20.0, 1.0])
    found = regressor.predict_interval(X)
    assert (found[..., 0] < found[..., 1]).all()
    asked = ("quantile_0.05", "quantile_0.95")
    exported = to_keras(regressor, outputs=asked)(X)
    both = np.stack([numbers(exported[name]) for name in asked], axis=-1)
    np.testing.assert_allclose(both, found, rtol=1e-4, atol=1e-5)


def test_series_at_their_own_level_have_no_distribution_but_members():
    level = 1e3 * np.arange(1, 41)[:, None]
    series = level + np.random.default_rng(0).normal(size=(40, 8)) * level / 100
    past, future = series[:, :6, None], series[:, 6:]
    regressor = ScaledKerasRegressor(**STILL, input_scaler="instance", distribution="normal")
    with pytest.raises(ValueError, match="'instance' brings numbers back to the level of their"):
        regressor.fit(past, future)
    regressor.set_params(distribution=None, n_members=2).fit(past, future)
    mean, std = regressor.predict(past, return_std=True)
    assert np.corrcoef(mean[:, 0], level[:, 0])[0, 1] > 0.9
    assert np.corrcoef(std[:, 0], level[:, 0])[0, 1] > 0.2


@needs_float64
def test_deviations_of_wide_lognormal_numbers_are_exported():
    target = target_of(np.exp(RNG.normal(size=(30, 1))), Normal(), LOG)
    outputs = np.c_[np.zeros(9), np.linspace(-3.0, 3.5, 9)][:, None]
    _, sigma = Normal().parameters(outputs, np)
    expected = np.exp(sigma**2 / 2) * np.sqrt(np.expm1(sigma**2))
    for xp in (np, keras.ops):
        given = outputs if xp is np else keras.ops.convert_to_tensor(outputs, "float64")
        found = numbers(target.view("std").forward(given, xp))
        np.testing.assert_allclose(found, expected, rtol=1e-3)


def test_what_is_cut_is_told():
    power = PowerTransformer().fit(SKEWED[:, None])
    regressor = ScaledKerasRegressor(**STILL, distribution="normal", target_scaler=power)
    regressor.fit(X, SKEWED)
    assert power.lambdas_[0] < 0  # so that the inverse has an end
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        regressor.predict(X)
        regressor.predict_quantiles(X, 0.5)
    cut = r"target_scaler: quantiles of \d+ of 60 rows lie beyond .* and are cut to the end of them"
    with pytest.warns(UserWarning, match=cut) as told:
        ends = regressor.predict_interval(X, 0.9999)
    assert told[0].filename == __file__
    assert np.isfinite(ends).all()
    far = 100.0 * X
    with pytest.warns(UserWarning, match=cut) as told:
        regressor.predict(far)
    assert told[0].filename == __file__


def test_deviations_come_with_the_warnings_of_predictions():
    regressor = ScaledKerasRegressor(**STILL, n_members=2, target_scaler=LOG).fit(X, SKEWED)
    with pytest.warns(UserWarning, match="rows are predicted beyond the numbers") as told:
        regressor.predict(1e4 * X, return_std=True)
    assert told[0].filename == __file__


def test_an_error_of_one_output_is_no_silence():
    scalers = {"a": "standard", "b": PCA(2)}
    regressor = ScaledKerasRegressor(**STILL, distribution="normal", target_scaler=scalers)
    regressor.fit(X, {"a": Y, "b": TWO})
    with pytest.raises(ValueError, match=r"target_scaler\['b'\]: quantiles pass only through"):
        regressor.predict_quantiles(X)


def test_a_clone_of_a_view_is_not_fitted():
    view = fitted("normal", "row").at_quantile(0.9)
    check_is_fitted(view)
    with pytest.raises(NotFittedError):
        check_is_fitted(clone(view))
