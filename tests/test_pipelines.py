import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer, TransformedTargetRegressor, make_column_selector
from sklearn.datasets import load_diabetes
from sklearn.ensemble import BaggingRegressor
from sklearn.model_selection import GridSearchCV, RandomizedSearchCV, cross_val_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, PowerTransformer

from sklearn_keras_scaling import (
    RobustScaler,
    ScaledKerasClassifier,
    ScaledKerasRegressor,
    StandardScaler,
)

from . import ONE_EPOCH, QUICK


def build(input_shape, output_shape, output_activation, units=8):
    return keras.Sequential(
        [
            keras.Input(input_shape),
            keras.layers.Dense(units, activation="relu"),
            keras.layers.Dropout(0.1),
            keras.layers.Dense(output_shape[-1], activation=output_activation),
        ]
    )


@pytest.fixture(scope="module")
def frame():
    X, y = load_diabetes(return_X_y=True, as_frame=True, scaled=False)
    return X.assign(sex=X["sex"].map({1: "female", 2: "male"})), y


def test_after_a_column_transformer_on_a_dataframe(frame):
    X, y = frame
    columns = ColumnTransformer(
        [("category", OneHotEncoder(sparse_output=False), ["sex"])],
        remainder="passthrough",
        verbose_feature_names_out=False,
    ).set_output(transform="pandas")
    pipeline = make_pipeline(columns, ScaledKerasRegressor(**QUICK)).fit(X, y)
    regressor = pipeline[-1]
    assert list(regressor.feature_names_in_[:3]) == ["sex_female", "sex_male", "age"]
    assert pipeline.score(X, y) > 0.45
    numbers = ColumnTransformer([("all", "passthrough", make_column_selector(dtype_include=float))])
    assert make_pipeline(numbers, ScaledKerasRegressor(**ONE_EPOCH)).fit(X, y).predict(X).shape == (
        442,
    )


def test_inside_transformed_target_regressor_and_bagging(diabetes):
    X, y = diabetes
    inner = make_pipeline(StandardScaler(), ScaledKerasRegressor(**QUICK))
    wrapped = TransformedTargetRegressor(inner, transformer=PowerTransformer()).fit(X, y)
    assert wrapped.score(X, y) > 0.45
    bagged = BaggingRegressor(ScaledKerasRegressor(**ONE_EPOCH), n_estimators=2, random_state=0)
    assert bagged.fit(X, y).predict(X).shape == (442,)


GRID = {
    "network__input_scaler": ["standard", "minmax", RobustScaler(), None],
    "network__optimizer__learning_rate": [0.01, 0.05],
}


def search(n_jobs, error_score="raise"):
    pipeline = Pipeline([("network", ScaledKerasRegressor(build, **ONE_EPOCH))])
    return GridSearchCV(pipeline, GRID, cv=2, n_jobs=n_jobs, error_score=error_score)


def test_a_grid_scores_the_same_bits_at_any_n_jobs(diabetes):
    one, two = (search(n_jobs).fit(*diabetes) for n_jobs in (1, 2))
    for key in ("split0_test_score", "split1_test_score"):
        np.testing.assert_array_equal(one.cv_results_[key], two.cv_results_[key])
        assert len(set(one.cv_results_[key])) == 8  # every parameter made a difference
    np.testing.assert_array_equal(one.predict(diabetes[0]), two.predict(diabetes[0]))


def test_cross_val_score_and_threads(diabetes):
    regressor = ScaledKerasRegressor(build, **ONE_EPOCH)
    one = cross_val_score(regressor, *diabetes, cv=3)
    two = cross_val_score(regressor, *diabetes, cv=3, n_jobs=2)
    np.testing.assert_array_equal(one, two)


def test_a_randomized_search_reaches_every_part(diabetes):
    distributions = {
        "target_scaler": ["standard", "minmax"],
        "input_scaler__with_mean": [True, False],
        "model__units": [2, 8],
        "optimizer": ["adam", "sgd"],
        "batch_size": [64, 256],
    }
    randomized = RandomizedSearchCV(
        ScaledKerasRegressor(build, **ONE_EPOCH), distributions, n_iter=4, cv=2, random_state=0
    )
    one = randomized.fit(*diabetes)
    scores = one.cv_results_["mean_test_score"].copy()
    assert np.isfinite(scores).all()
    two = randomized.set_params(n_jobs=2).fit(*diabetes)
    np.testing.assert_array_equal(two.cv_results_["mean_test_score"], scores)


def test_a_classifier_in_a_search_has_stratified_folds(wine):
    X, y = wine
    classifier = ScaledKerasClassifier(**QUICK, ignore_findings=("SKS009",))
    grid = GridSearchCV(classifier, {"input_scaler": ["standard", None]}, cv=3)
    grid.fit(X, y)  # unshuffled folds of these sorted labels would each lack a class
    assert grid.best_params_ == {"input_scaler": "standard"}
    assert grid.best_score_ > 0.9


def test_pandas_and_numpy_give_the_same(frame):
    X, y = frame[0].drop(columns="sex"), frame[1]
    from_frame = ScaledKerasRegressor(**ONE_EPOCH).fit(X, y)
    from_array = ScaledKerasRegressor(**ONE_EPOCH).fit(X.to_numpy(), y.to_numpy())
    np.testing.assert_array_equal(from_frame.predict(X), from_array.predict(X.to_numpy()))
    nullable = X.astype({"age": pd.Int64Dtype()})
    np.testing.assert_array_equal(from_frame.predict(nullable), from_frame.predict(X))
