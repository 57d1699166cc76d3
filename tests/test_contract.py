"""scikit-learn's contract: tools and meta-estimators around ours, routing, names, tags, HTML."""

import keras
import numpy as np
import pandas as pd
import pytest
import sklearn
from joblib import parallel_config
from scipy.stats import loguniform, randint
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor
from sklearn.datasets import load_linnerud
from sklearn.ensemble import (
    BaggingClassifier,
    BaggingRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.exceptions import NotFittedError
from sklearn.experimental import enable_halving_search_cv  # noqa: F401  # makes it importable
from sklearn.feature_selection import RFECV, SequentialFeatureSelector
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import brier_score_loss, log_loss, r2_score
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    StratifiedKFold,
    cross_val_predict,
    cross_validate,
    learning_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PowerTransformer
from sklearn.utils import estimator_html_repr, get_tags
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklearn_keras_scaling import (
    MinMaxScaler,
    RobustScaler,
    ScaledKerasClassifier,
    ScaledKerasRegressor,
    StandardScaler,
)

from . import ONE_EPOCH, QUICK

RNG = np.random.default_rng(0)
N = 120
# Columns 0 and 3 matter; columns and targets have units of their own.
X = RNG.normal(size=(N, 5)) * [1, 10, 0.1, 500, 3] + [0, 100, 5, 2000, -7]
Y = 40 * X[:, 0] + 0.1 * X[:, 3] + RNG.normal(size=N)
LABELS = np.array(["low", "middle", "high"])[np.digitize(Y, np.quantile(Y, [1 / 3, 2 / 3]))]
WEIGHT = RNG.uniform(0.1, 5.0, N)

FIT = {**QUICK, "epochs": 40, "batch_size": 40, "optimizer__learning_rate": 0.03}


def regressor(**parameters):
    return ScaledKerasRegressor(**{**FIT, **parameters})


def classifier(**parameters):
    return ScaledKerasClassifier(**{**FIT, **parameters})


@pytest.fixture(scope="module")
def fitted():
    """Tests leave it as it is."""
    return regressor().fit(X, Y)


@pytest.fixture(scope="module")
def frame():
    return pd.DataFrame(X, columns=list("abcde"))


# Ensembles


def test_voting_regressor_is_the_mean_and_hands_weights_on(fitted):
    pair = [("network", regressor()), ("line", Ridge())]
    voting = VotingRegressor(pair).fit(X, Y)
    expected = (fitted.predict(X) + Ridge().fit(X, Y).predict(X)) / 2
    np.testing.assert_allclose(voting.predict(X), expected, rtol=1e-12)
    weighted = VotingRegressor(pair).fit(X, Y, sample_weight=WEIGHT)
    alone = regressor().fit(X, Y, sample_weight=WEIGHT)
    np.testing.assert_array_equal(
        weighted.named_estimators_["network"].predict(X), alone.predict(X)
    )


def test_stacking_regressor_trains_on_predictions_of_held_out_rows():
    stack = StackingRegressor(
        [("network", regressor()), ("line", Ridge())], final_estimator=Ridge(), cv=KFold(2)
    ).fit(X, Y)
    assert stack.score(X, Y) > 0.95
    held_out = cross_val_predict(regressor(), X, Y, cv=KFold(2))
    lines = cross_val_predict(Ridge(), X, Y, cv=KFold(2))
    expected = Ridge().fit(np.column_stack([held_out, lines]), Y)
    np.testing.assert_allclose(stack.final_estimator_.coef_, expected.coef_, rtol=1e-9)


def test_bagging_regressor_draws_rows_and_columns():
    bagging = BaggingRegressor(
        regressor(), n_estimators=3, max_samples=0.8, max_features=4, random_state=0
    ).fit(X, Y)
    seeds = {network.random_state for network in bagging.estimators_}
    assert len(seeds) == 3  # each has its own
    each = [
        network.predict(X[:, columns])
        for network, columns in zip(bagging.estimators_, bagging.estimators_features_, strict=True)
    ]
    np.testing.assert_allclose(bagging.predict(X), np.mean(each, axis=0), rtol=1e-12)
    assert all(network.n_features_in_ == 4 for network in bagging.estimators_)
    with parallel_config("threading"):
        again = clone(bagging).set_params(n_jobs=2).fit(X, Y).predict(X)
    np.testing.assert_array_equal(again, bagging.predict(X))


def test_bagging_classifier_averages_probabilities():
    bagging = BaggingClassifier(classifier(), n_estimators=2, random_state=0).fit(X, LABELS)
    each = [network.predict_proba(X) for network in bagging.estimators_]
    np.testing.assert_allclose(bagging.predict_proba(X), np.mean(each, axis=0), rtol=1e-6)
    assert bagging.score(X, LABELS) > 0.8


def test_voting_classifier_averages_probabilities():
    pair = [
        ("network", classifier()),
        ("line", make_pipeline(StandardScaler(), LogisticRegression())),
    ]
    voting = VotingClassifier(pair, voting="soft").fit(X, LABELS)
    each = [clone(one).fit(X, LABELS).predict_proba(X) for _, one in pair]
    np.testing.assert_allclose(voting.predict_proba(X), np.mean(each, axis=0), rtol=1e-6)
    assert set(voting.predict(X)) == {"low", "middle", "high"}


def test_stacking_classifier_takes_probabilities():
    stack = StackingClassifier(
        [("network", classifier())], final_estimator=LogisticRegression(C=100.0), cv=2
    ).fit(X, LABELS)
    assert stack.stack_method_ == ["predict_proba"]
    assert stack.score(X, LABELS) > 0.85


# Around one estimator


def test_multi_output_regressor_fits_each_target_as_alone():
    data, targets = load_linnerud(return_X_y=True)
    multi = MultiOutputRegressor(ScaledKerasRegressor(**ONE_EPOCH)).fit(data, targets)
    for column in range(3):
        alone = ScaledKerasRegressor(**ONE_EPOCH).fit(data, targets[:, column])
        np.testing.assert_array_equal(multi.predict(data)[:, column], alone.predict(data))


def test_transformed_target_regressor_around_it_is_our_target_scaler(fitted):
    around = TransformedTargetRegressor(regressor(target_scaler=None), transformer=StandardScaler())
    around.fit(X, Y)
    # The same float32 network; the two round differently on the way to and from float64.
    np.testing.assert_allclose(around.predict(X), fitted.predict(X), rtol=1e-5)
    both = TransformedTargetRegressor(regressor(), transformer=PowerTransformer()).fit(X, Y)
    assert both.score(X, Y) > 0.95


def test_calibrated_classifier_keeps_labels_and_calibrates():
    y = np.where(np.median(Y) < Y, "yes", "no")
    calibrated = CalibratedClassifierCV(classifier(), cv=2).fit(X, y)
    assert calibrated.classes_.tolist() == ["no", "yes"]
    p = calibrated.predict_proba(X)
    np.testing.assert_allclose(p.sum(axis=1), 1, rtol=1e-12)
    assert brier_score_loss(y == "yes", p[:, 1]) < 0.1
    frozen = classifier().fit(X, y)
    after = CalibratedClassifierCV(FrozenEstimator(frozen), method="isotonic").fit(X, y)
    # Isotonic regression minimises the squared error on the rows that it is fitted on.
    before = brier_score_loss(y == "yes", frozen.predict_proba(X)[:, 1])
    assert brier_score_loss(y == "yes", after.predict_proba(X)[:, 1]) <= before


def test_one_versus_rest_has_a_network_for_each_class():
    rest = OneVsRestClassifier(classifier()).fit(X, LABELS)
    assert len(rest.estimators_) == 3
    assert rest.score(X, LABELS) > 0.8


# Choosing columns, and looking at what was learnt


def first_weights(fitted):
    """Importance of the columns: they are scaled, so that weights compare."""
    return np.abs(fitted.network_.layers[0].get_weights()[0]).sum(axis=1)


def test_recursive_feature_elimination_finds_the_columns_that_matter():
    selector = RFECV(
        regressor(hidden_layer_sizes=()), importance_getter=first_weights, cv=2, step=1
    ).fit(X, Y)
    assert selector.support_[[0, 3]].all()
    assert selector.estimator_.n_features_in_ == selector.n_features_
    worst = np.argsort(selector.ranking_)[selector.n_features_ :]
    assert not set(worst.tolist()) & {0, 3}


def test_sequential_feature_selection_finds_the_columns_that_matter():
    quick = regressor(hidden_layer_sizes=(), epochs=15)
    selector = SequentialFeatureSelector(quick, n_features_to_select=2, cv=2).fit(X, Y)
    assert selector.get_support(indices=True).tolist() == [0, 3]


def test_permutation_importance_ranks_the_columns(fitted):
    found = permutation_importance(fitted, X, Y, n_repeats=3, random_state=0)
    assert set(np.argsort(found.importances_mean)[-2:]) == {0, 3}
    assert found.importances_mean[[1, 2, 4]].max() < 0.1


def test_partial_dependence_is_in_raw_units(fitted):
    found = partial_dependence(fitted, X, [3], grid_resolution=5, percentiles=(0.2, 0.8))
    slope = np.polyfit(found["grid_values"][0], found["average"][0], 1)[0]
    assert slope == pytest.approx(0.1, rel=0.2)
    fitted_labels = classifier().fit(X, LABELS)
    found = partial_dependence(fitted_labels, X, [0], grid_resolution=5)
    assert found["average"].shape == (3, 5)
    np.testing.assert_allclose(found["average"].sum(axis=0), 1, atol=1e-6)


# Searches and validation


def test_learning_curve_goes_up_and_learns_in_parts():
    quick = regressor(epochs=10)
    sizes, _, scores = learning_curve(quick, X, Y, train_sizes=[10, 80], cv=3, error_score="raise")
    assert sizes.tolist() == [10, 80]
    assert scores[1].mean() > scores[0].mean()
    for estimator, y in ((quick, Y), (classifier(), LABELS)):
        _, train, test = learning_curve(
            estimator, X, y, cv=3, exploit_incremental_learning=True, error_score="raise"
        )
        assert np.isfinite([train, test]).all()


def test_a_halving_search_spends_epochs_on_the_better_ones():
    search = HalvingGridSearchCV(
        regressor(),
        {"optimizer__learning_rate": [1e-5, 1e-4, 0.03]},
        resource="epochs",
        min_resources=2,
        max_resources=18,
        factor=3,
        cv=2,
    ).fit(X, Y)
    assert search.n_resources_ == [2, 6]
    assert search.best_params_ == {"optimizer__learning_rate": 0.03, "epochs": 6}
    assert search.best_estimator_.n_iter_ == 6


def test_a_randomized_search_draws_from_distributions():
    distributions = {
        "optimizer__learning_rate": loguniform(1e-3, 1e-1),
        "model__activation": ["relu", "tanh"],
        "epochs": randint(2, 5),
    }
    search = RandomizedSearchCV(
        classifier(), distributions, n_iter=3, cv=2, scoring="neg_log_loss", random_state=0
    ).fit(X, LABELS)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()
    network = search.best_estimator_.network_
    rate = float(network.optimizer.learning_rate)
    assert rate == pytest.approx(search.best_params_["optimizer__learning_rate"], rel=1e-6)
    assert network.layers[0].activation.__name__ == search.best_params_["model__activation"]
    assert search.best_estimator_.n_iter_ == search.best_params_["epochs"]


def test_cross_val_predict_gives_each_row_the_network_that_has_not_seen_it():
    folds = KFold(3)
    found = cross_val_predict(regressor(), X, Y, cv=folds)
    train, test = next(folds.split(X))
    by_hand = regressor().fit(X[train], Y[train]).predict(X[test])
    np.testing.assert_array_equal(found[test], by_hand)
    assert r2_score(Y, found) > 0.8
    p = cross_val_predict(classifier(), X, LABELS, cv=3, method="predict_proba")
    assert p.shape == (N, 3)
    assert log_loss(LABELS, p) < 0.7  # log 3 says nothing


def test_cross_validate_returns_fitted_estimators_and_several_scores():
    found = cross_validate(
        classifier(epochs=5),
        X,
        LABELS,
        cv=StratifiedKFold(2),
        scoring=["accuracy", "roc_auc_ovr"],
        return_estimator=True,
        return_train_score=True,
    )
    assert [one.n_iter_ for one in found["estimator"]] == [5, 5]
    assert np.isfinite([*found["test_accuracy"], *found["test_roc_auc_ovr"]]).all()


# Metadata routing


def weighted_pipeline(**parameters):
    network = ScaledKerasRegressor(**{**ONE_EPOCH, **parameters})
    return make_pipeline(
        PowerTransformer(),
        network.set_fit_request(sample_weight=True).set_score_request(sample_weight=True),
    )


def test_weights_reach_through_pipelines_and_searches():
    Z = PowerTransformer().fit_transform(X)
    alone = ScaledKerasRegressor(**ONE_EPOCH).fit(Z, Y, sample_weight=WEIGHT)
    unweighted = ScaledKerasRegressor(**ONE_EPOCH).fit(Z, Y)
    assert (alone.predict(Z) != unweighted.predict(Z)).all()
    with config_context(enable_metadata_routing=True):
        pipeline = weighted_pipeline().fit(X, Y, sample_weight=WEIGHT)
        np.testing.assert_array_equal(pipeline.predict(X), alone.predict(Z))
        score = pipeline.score(X, Y, sample_weight=WEIGHT)
        assert score == alone.score(Z, Y, sample_weight=WEIGHT) != alone.score(Z, Y)
        grid = {"scaledkerasregressor__optimizer__learning_rate": [0.01, 0.05]}
        # scikit-learn 1.7 wants to hear it of the pipeline's score as well.
        pipeline = weighted_pipeline().set_score_request(sample_weight=True)
        search = GridSearchCV(pipeline, grid, cv=KFold(2))
        search.fit(X, Y, sample_weight=WEIGHT)
        best = weighted_pipeline(optimizer__learning_rate=0.05)
        best.fit(X, Y, sample_weight=WEIGHT)
        np.testing.assert_array_equal(search.predict(X), best.predict(X))
        train, test = next(KFold(2).split(X))
        by_hand = clone(best).fit(X[train], Y[train], sample_weight=WEIGHT[train])
        expected = by_hand.score(X[test], Y[test], sample_weight=WEIGHT[test])
        assert search.cv_results_["split0_test_score"][1] == expected
    direct = make_pipeline(PowerTransformer(), ScaledKerasRegressor(**ONE_EPOCH))
    direct.fit(X, Y, scaledkerasregressor__sample_weight=WEIGHT)
    np.testing.assert_array_equal(direct.predict(X), alone.predict(Z))


def test_weights_that_nobody_asked_for_are_refused_by_scikit_learn():
    with config_context(enable_metadata_routing=True):
        pipeline = make_pipeline(PowerTransformer(), ScaledKerasRegressor(**ONE_EPOCH))
        with pytest.raises(
            ValueError, match="are not explicitly set as requested or not requested"
        ):
            pipeline.fit(X, Y, sample_weight=WEIGHT)


def test_x_val_arrives_transformed():
    steps = [("power", PowerTransformer()), ("scale", StandardScaler())]
    rows, held_out = slice(0, 90), slice(90, N)
    given = {"X_val": X[held_out], "y_val": Y[held_out], "sample_weight_val": WEIGHT[held_out]}
    requested = dict.fromkeys(given, True)
    by_hand = ScaledKerasRegressor(**ONE_EPOCH)
    transformer = Pipeline(steps).fit(X[rows])
    by_hand.fit(
        transformer.transform(X[rows]),
        Y[rows],
        **{**given, "X_val": transformer.transform(X[held_out])},
    )
    with config_context(enable_metadata_routing=True):
        network = ScaledKerasRegressor(**ONE_EPOCH).set_fit_request(**requested)
        pipeline = Pipeline([*steps, ("network", network)], transform_input=["X_val"])
        pipeline.fit(X[rows], Y[rows], **given)
        assert pipeline["network"].history_ == by_hand.history_
        raw = Pipeline([*steps, ("network", network)]).fit(X[rows], Y[rows], **given)
        assert raw["network"].history_["val_loss"] != by_hand.history_["val_loss"]
        # In a search, X_val of another length than X goes to each fit as it is.
        search = GridSearchCV(pipeline, {"network__epochs": [2]}, cv=2, error_score="raise")
        search.fit(X[rows], Y[rows], **given)
        assert (
            search.best_estimator_["network"].history_["val_loss"][0]
            == (by_hand.history_["val_loss"][0])
        )


@pytest.mark.parametrize("cls", [ScaledKerasRegressor, ScaledKerasClassifier])
def test_signatures_take_weights(cls):
    assert has_fit_parameter(cls(), "sample_weight")
    with config_context(enable_metadata_routing=True):
        requests = cls().get_metadata_routing()
    offered = set(requests.fit.requests)
    assert {"sample_weight", "groups", "X_val", "y_val", "sample_weight_val"} <= offered
    assert "sample_weight" in requests.partial_fit.requests
    assert "sample_weight" in requests.score.requests


# Names, tags, state


def test_feature_names_are_kept_checked_and_dropped(frame):
    estimator = ScaledKerasRegressor(**ONE_EPOCH).fit(frame, Y)
    assert estimator.feature_names_in_.tolist() == list("abcde")
    for other in (frame[list("edcba")], frame.rename(columns={"a": "z"})):
        with pytest.raises(ValueError, match="feature names should match"):
            estimator.predict(other)
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        estimator.predict(X)
    assert not hasattr(estimator.fit(X, Y), "feature_names_in_")
    with pytest.warns(UserWarning, match="X has feature names"):
        estimator.predict(frame)


def test_names_go_in_and_out_of_a_pipeline(frame):
    pipeline = make_pipeline(StandardScaler(), MinMaxScaler(), ScaledKerasRegressor(**ONE_EPOCH))
    pipeline.set_output(transform="pandas").fit(frame, Y)
    assert pipeline[-1].feature_names_in_.tolist() == list("abcde")
    assert pipeline[:-1].get_feature_names_out().tolist() == list("abcde")
    assert list(pipeline[:-1].transform(frame).columns) == list("abcde")


# The ColumnTransformer of scikit-learn 1.7 does not take its own steps' polars frames.
takes_polars = pytest.mark.skipif(sklearn.__version__ < "1.8", reason="scikit-learn < 1.8")


@pytest.mark.parametrize(
    "container", ["default", "pandas", pytest.param("polars", marks=takes_polars)]
)
def test_scalers_inside_return_any_container(container):
    columns = ColumnTransformer(
        [("some", StandardScaler(), [0, 1])], remainder=RobustScaler(), sparse_threshold=0
    )
    plain = regressor(epochs=1, input_scaler=columns, metrics=["mae"]).fit(X, Y).predict(X)
    with config_context(transform_output=container):
        found = regressor(epochs=1, input_scaler=columns, metrics=["mae"]).fit(X, Y).predict(X)
    np.testing.assert_array_equal(found, plain)
    scalers = {
        name: StandardScaler().set_output(transform=container)
        for name in ("input_scaler", "target_scaler")
    }
    found = regressor(epochs=1, **scalers).fit(X, Y).predict(X)
    np.testing.assert_array_equal(found, regressor(epochs=1).fit(X, Y).predict(X))


def test_tags():
    tags = get_tags(ScaledKerasRegressor())
    assert (tags.estimator_type, tags.target_tags.required) == ("regressor", True)
    assert tags.target_tags.multi_output
    assert tags.input_tags.three_d_array
    assert not tags.input_tags.sparse  # "standard" takes the mean away
    assert not tags.input_tags.allow_nan
    assert get_tags(ScaledKerasRegressor(input_scaler="maxabs")).input_tags.sparse
    assert get_tags(ScaledKerasRegressor(input_scaler=None)).input_tags.sparse
    labels = get_tags(ScaledKerasClassifier())
    assert (labels.estimator_type, labels.target_tags.required) == ("classifier", True)
    assert labels.classifier_tags.multi_class
    assert labels.classifier_tags.multi_label
    for wrap in (clone, make_pipeline, lambda e: GridSearchCV(e, {}), FrozenEstimator):
        assert is_regressor(wrap(ScaledKerasRegressor()))
        assert is_classifier(wrap(ScaledKerasClassifier()))


def test_n_iter_counts_the_epochs_of_the_last_fit():
    estimator = regressor(epochs=3).fit(X, Y)
    assert estimator.n_iter_ == 3 == len(estimator.history_["loss"])
    estimator.partial_fit(X, Y)
    assert estimator.n_iter_ == 1
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9)
    assert regressor(callbacks=[stop]).fit(X, Y).n_iter_ == 2


def test_is_fitted_after_a_fit_that_succeeded():
    estimator = ScaledKerasRegressor(**{**ONE_EPOCH, "loss": "nonsense"})
    for _ in range(2):
        assert not estimator.__sklearn_is_fitted__()
        with pytest.raises(
            NotFittedError, match="This ScaledKerasRegressor instance is not fitted"
        ):
            check_is_fitted(estimator)
        with pytest.raises(
            NotFittedError, match="This ScaledKerasRegressor instance is not fitted"
        ):
            estimator.predict(X)
        with pytest.raises(ValueError, match="loss='nonsense' is unknown"):
            estimator.fit(X, Y)
    estimator.set_params(loss=None)
    pipeline = make_pipeline(StandardScaler(), estimator)
    with pytest.raises(NotFittedError):
        check_is_fitted(pipeline)
    check_is_fitted(pipeline.fit(X, Y))
    assert estimator.__sklearn_is_fitted__()
    assert not clone(estimator).__sklearn_is_fitted__()


def builder(input_shape, units=3):
    layers = [keras.Input(input_shape), keras.layers.Dense(units), keras.layers.Dense(1)]
    return keras.Sequential(layers)


def test_clone_keeps_every_parameter():
    own = {
        "model": builder,
        "input_scaler": {"a": MinMaxScaler((-1, 1)), "b": None},
        "target_scaler": [RobustScaler()],
        "input_columns": {"a": [0], "b": [1, 2]},
        "target_columns": {"y": [0]},
        "hidden_layer_sizes": (3, 2),
        "optimizer": keras.optimizers.SGD,
        "loss": {"y": "mae"},
        "loss_units": "target",
        "metrics": ["mae"],
        "epochs": 7,
        "batch_size": 5,
        "validation_split": KFold(3),
        "early_stopping": True,
        "n_iter_no_change": 4,
        "callbacks": [keras.callbacks.TerminateOnNaN()],
        "engine": "keras",
        "distribution": "normal",
        "target_statistic": "mean",
        "n_members": 2,
        "update_scalers": True,
        "ignore_findings": ("SKS002",),
        "random_state": 3,
        "warm_start": True,
        "verbose": 2,
        "optimizer__learning_rate": 0.5,
        "model__units": 9,
    }
    estimator = ScaledKerasRegressor(**own)
    assert set(ScaledKerasRegressor().get_params()) <= set(own)  # none is left out here
    copies = [clone(estimator), clone(clone(estimator)), ScaledKerasRegressor().set_params(**own)]
    for copy in copies:
        expected, found = estimator.get_params(), copy.get_params()
        (callback,) = found.pop("callbacks")
        assert type(callback) is type(expected.pop("callbacks")[0])
        assert {k: repr(v) for k, v in found.items()} == {k: repr(v) for k, v in expected.items()}
        assert found["model"] is builder


# How it is shown in a notebook


def text(estimator):
    return estimator_html_repr(estimator).replace("&#x27;", "'")


def test_html_of_an_unfitted_estimator_shows_scalers_and_network():
    html = text(ScaledKerasRegressor(input_scaler="minmax", target_scaler=RobustScaler()))
    for shown in ("minmax", "RobustScaler", "default network", "hidden_layer_sizes=(64, 64)"):
        assert shown in html
    assert "target_scaler (inverse)" in html
    assert "builder" in text(ScaledKerasRegressor(builder))
    html = text(ScaledKerasClassifier(input_scaler=None))
    assert "passthrough" in html
    assert "target_scaler" not in html


def test_html_of_a_fitted_estimator_shows_the_networks_size(fitted):
    html = text(fitted)
    # 5 columns to 16 units to 1, weights and biases.
    for shown in ("StandardScaler", fitted.network_.name, "113 parameters", "40 epochs"):
        assert shown in html
    for layer in fitted.network_.layers:
        assert f"{layer.name}: Dense, {layer.count_params()}" in html
    assert "113 parameters" in text(make_pipeline(StandardScaler(), fitted))
    assert "113 parameters" in fitted._repr_html_()


def test_html_names_the_scalers_of_several_inputs_and_columns():
    scalers = {"history": MinMaxScaler(), "site": None}
    columns = {"history": [0, 1], "site": [2, 3, 4]}
    estimator = ScaledKerasRegressor(
        **ONE_EPOCH,
        input_scaler=scalers,
        target_scaler=["robust", None],
        input_columns=columns,
        ignore_findings=("SKS008", "SKS009"),
    )
    for _ in ("unfitted", "fitted"):
        html = text(estimator)
        for shown in ("history", "site", "MinMaxScaler", "passthrough", "obust"):
            assert shown in html
        estimator.fit(X, np.column_stack([Y, Y]))
    assert "RobustScaler" in text(estimator)


def test_html_of_a_given_network_shows_its_name():
    network = builder((5,))
    html = text(ScaledKerasRegressor(network))
    assert network.name in html
