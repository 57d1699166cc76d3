import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.base import is_classifier
from sklearn.datasets import load_breast_cancer
from sklearn.metrics import log_loss

from sklearn_keras_scaling import ScaledKerasClassifier, to_keras

from . import ONE_EPOCH, QUICK


def softmax(input_shape, n_classes):
    layers = [keras.Input(input_shape), keras.layers.Dense(n_classes, activation="softmax")]
    return keras.Sequential(layers)


def test_string_labels_of_three_classes(classifier, wine):
    X, y = wine
    assert is_classifier(classifier)
    assert classifier.classes_.tolist() == ["barbera", "barolo", "grignolino"]
    assert classifier.score(X, y) > 0.95
    assert classifier.network_.layers[-1].activation.__name__ == "softmax"
    assert set(classifier.history_) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert classifier.history_["accuracy"][-1] > 0.95


def test_two_classes_have_one_output(wine):
    X, y = load_breast_cancer(return_X_y=True)
    classifier = ScaledKerasClassifier(**QUICK, metrics=["accuracy", "AUC"]).fit(X, y > 0)
    assert classifier.network_.output_shape == (None, 1)
    assert classifier.classes_.tolist() == [False, True]
    assert classifier.score(X, y > 0) > 0.95
    accuracy = classifier.history_["accuracy"]
    assert accuracy[-1] > 0.95
    exported = to_keras(classifier).predict(X, verbose=0)
    np.testing.assert_allclose(exported, classifier.predict_proba(X), atol=1e-6)


def test_probabilities_sum_to_one_to_the_precision_of_their_dtype(classifier, wine):
    X, y = wine
    p = classifier.predict_proba(X)
    assert p.shape == (178, 3)
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
    assert log_loss(y, p) < 0.2  # warns, and so fails here, where sums are off


@pytest.mark.parametrize(
    "labels",
    [
        np.array([0, 1, 2]),
        np.array([-5, 7, 40], dtype="int8"),
        np.array([0.0, 1.0, 3.0]),
        np.array(["a", "bb", "ccc"]),
        np.array(["a", "bb", "ccc"], dtype=object),
        pd.array(["a", "bb", "ccc"], dtype="str"),
    ],
    ids=["int", "int8", "float", "str", "object", "pandas"],
)
def test_labels_of_any_dtype_come_back(labels):
    X = np.random.default_rng(0).normal(size=(30, 2))
    y = labels[np.arange(30) % 3]
    predicted = ScaledKerasClassifier(**ONE_EPOCH).fit(X, y).predict(X)
    assert set(predicted) <= set(labels)
    assert predicted.dtype == np.asarray(labels).dtype


@pytest.mark.parametrize(
    "loss", ["categorical_crossentropy", "sparse_categorical_crossentropy", "kl_divergence", None]
)
def test_targets_are_encoded_as_the_loss_takes_them(loss, wine):
    X, y = wine
    parameters = {**QUICK, "epochs": 40}
    classifier = ScaledKerasClassifier(softmax, **parameters, loss=loss, metrics=["accuracy"])
    assert classifier.fit(X, y).score(X, y) > 0.95
    assert classifier.history_["accuracy"][-1] == pytest.approx(classifier.score(X, y), abs=0.02)


def test_two_softmax_outputs_serve_two_classes(wine):
    X, y = wine
    classifier = ScaledKerasClassifier(softmax, **QUICK).fit(X, y == "barolo")
    assert classifier.network_.output_shape == (None, 2)
    assert classifier.score(X, y == "barolo") > 0.95


def test_the_validation_split_is_stratified():
    X = np.random.default_rng(0).normal(size=(100, 2))
    y = np.r_[np.zeros(90), np.ones(10)]

    def share(y_true, y_pred):
        return y_true

    classifier = ScaledKerasClassifier(**ONE_EPOCH, validation_split=0.2, metrics=[share])
    assert classifier.fit(X, y).history_["val_share"] == pytest.approx([0.1])


def test_weight_zero_is_absence_of_a_class(wine):
    X, y = wine
    weight = (y != "barolo").astype(float)
    classifier = ScaledKerasClassifier(**ONE_EPOCH).fit(X, y, sample_weight=weight)
    assert classifier.classes_.tolist() == ["barbera", "grignolino"]


def test_integer_weights_equal_repetition(wine):
    X, y = wine
    weight = np.random.default_rng(0).integers(0, 4, size=len(y))
    parameters = {**QUICK, "batch_size": 1000}
    weighted = ScaledKerasClassifier(**parameters).fit(X, y, sample_weight=weight)
    repeated = ScaledKerasClassifier(**parameters).fit(X.repeat(weight, 0), y.repeat(weight))
    np.testing.assert_allclose(
        weighted.predict_proba(X), repeated.predict_proba(X), rtol=1e-4, atol=1e-6
    )


def test_warm_start_knows_its_classes(wine):
    X, y = wine
    classifier = ScaledKerasClassifier(**ONE_EPOCH, warm_start=True).fit(X, y)
    classifier.fit(X[y != "barolo"], y[y != "barolo"])
    assert len(classifier.classes_) == 3
    with pytest.raises(ValueError, match=r"The label 'merlot' is none of those.*\['barbera'"):
        classifier.fit(X, np.where(y == "barolo", "merlot", y))


def test_two_classes_under_a_categorical_loss_have_two_outputs(wine):
    X, y = wine
    classifier = ScaledKerasClassifier(**QUICK, loss="categorical_crossentropy")
    classifier.fit(X, y == "barolo")
    assert classifier.network_.output_shape == (None, 2)
    assert classifier.score(X, y == "barolo") > 0.95


def test_a_categorical_loss_needs_a_column_for_each_class(wine):
    X, y = wine

    def one_column(input_shape):
        output = keras.layers.Dense(1, activation="sigmoid")
        return keras.Sequential([keras.Input(input_shape), output])

    classifier = ScaledKerasClassifier(one_column, **ONE_EPOCH, loss="categorical_crossentropy")
    with pytest.raises(ValueError, match=r"needs a column for each class.*Dense\(2, 'softmax'\)"):
        classifier.fit(X, y == "barolo")


def test_a_subclassed_model_with_a_train_step_of_its_own(wine):
    X, y = wine

    class Own(keras.Model):
        def __init__(self, n_classes):
            super().__init__()
            self.dense = keras.layers.Dense(n_classes, activation="softmax")
            self.steps = 0

        def call(self, inputs):
            return self.dense(inputs)

        def train_step(self, *args):
            self.steps += 1  # counts traces
            return super().train_step(*args)

    classifier = ScaledKerasClassifier(Own, **{**QUICK, "epochs": 40}).fit(X, y)
    assert classifier.network_.steps > 0
    assert classifier.score(X, y) > 0.95


def test_mixed_precision_gives_float32_probabilities(wine):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        p = ScaledKerasClassifier(**ONE_EPOCH).fit(*wine).predict_proba(wine[0])
    finally:
        keras.config.set_dtype_policy("float32")
    assert p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=1), 1, atol=1e-6)
