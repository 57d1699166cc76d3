"""Labels of any shape: steps, one-hot rows, columns, an order; weights of them, and gaps."""

import pickle

import keras
import numpy as np
import pandas as pd
import pytest
import tensorflow as tf
from sklearn.base import clone
from sklearn.metrics import accuracy_score, log_loss
from sklearn.model_selection import cross_val_score

from sklearn_keras_scaling import ScaledKerasClassifier, certify, to_keras
from sklearn_keras_scaling.training import LabelsLoss

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 4))
SERIES = RNG.normal(size=(60, 5, 2))
NAMES = np.array(["high", "low", "mid"])
LABELS = NAMES[np.digitize(X[:, 0], [-0.5, 0.5])]
STEPS = np.digitize(SERIES[..., 0], [-0.5, 0.5])
MANY = (X[:, :3] + X[:, 1:] > 0).astype(int)
ONE_HOT = np.eye(3, dtype=int)[STEPS[:, 0]]
COLUMNS = pd.DataFrame({"size": LABELS, "step": STEPS[:, 0]})
#: One batch, so that no order counts; without the compiled loop, which is not what is tested.
FIT = {
    "hidden_layer_sizes": (8,),
    "epochs": 2,
    "batch_size": 64,
    "random_state": 0,
    "compile__run_eagerly": True,
}
STILL = {**FIT, "epochs": 1, "optimizer__learning_rate": 0.0, "metrics": ["accuracy"]}
SEQUENCE = {"labels": "sequence"}


def gaps(y, share=0.3, missing=np.nan):
    found = np.array(y, dtype=object if missing is None else None)
    found = found.astype(float) if missing is np.nan else found
    found[np.random.default_rng(1).random(found.shape) < share] = missing
    return found


def of_steps(input_shape, n_classes, has_axis=True):
    inputs = keras.Input(input_shape)
    width = n_classes if n_classes > 2 else 1
    outputs = keras.layers.Dense(width, "softmax" if width > 1 else "sigmoid")(inputs)
    outputs = outputs if has_axis else keras.layers.Reshape(input_shape[:1])(outputs)
    return keras.Model(inputs, outputs)


CASES = {
    "steps": (SERIES, STEPS, SEQUENCE),
    "own network": (SERIES, STEPS, {**SEQUENCE, "model": of_steps}),
    "two": (SERIES, STEPS > 0, SEQUENCE),
    "no axis": (SERIES, STEPS > 0, {**SEQUENCE, "model": of_steps, "model__has_axis": False}),
    "pixels": (SERIES, NAMES[STEPS][:, :4].reshape(60, 2, 2), {}),
    "one-hot": (X, ONE_HOT, {}),
    "one-hot steps": (SERIES, np.eye(3)[STEPS], {}),
    "many": (X, MANY, {}),
    "columns": (X, COLUMNS, {}),
    "ordinal": (X, LABELS, {"ordinal": ["low", "mid", "high"]}),
    "ordinal steps": (SERIES, STEPS, {**SEQUENCE, "ordinal": True}),
    "steps with gaps": (SERIES, gaps(STEPS), SEQUENCE),
    "many with gaps": (X, gaps(MANY), {}),
    "columns with gaps": (X, COLUMNS.mask(gaps(MANY[:, :2]) == 1), {}),
    "members": (X, LABELS, {"ordinal": True, "n_members": 2}),
}


@pytest.mark.parametrize("case", CASES)
def test_labels_come_back_and_ship(case):
    rows, y, parameters = CASES[case]
    classifier = clone(ScaledKerasClassifier(**FIT, **parameters)).fit(rows, y)
    p, predicted = classifier.predict_proba(rows), classifier.predict(rows)
    assert predicted.shape == np.shape(y)
    several = isinstance(p, list)
    for each, classes in zip(
        p if several else [p],
        classifier.classes_ if several else [classifier.classes_],
        strict=True,
    ):
        assert each.dtype == np.float32
        assert each.shape[-1] == len(classes)
        if "many" not in case:
            np.testing.assert_allclose(each.sum(axis=-1), 1.0, atol=1e-6)
    exported = to_keras(classifier)
    found = exported(rows.astype("float32"))
    for one, other in zip(
        found.values() if several else [found], p if several else [p], strict=True
    ):
        np.testing.assert_allclose(keras.ops.convert_to_numpy(one), other, atol=1e-6)
    assert certify(classifier, exported).error < 1e-4
    again = pickle.loads(pickle.dumps(classifier))
    np.testing.assert_array_equal(again.predict(rows), predicted)
    assert 0 <= classifier.score(rows, y) <= 1


def test_one_hot_rows_are_one_class_a_row():
    hot = ScaledKerasClassifier(**FIT).fit(X, ONE_HOT)
    plain = ScaledKerasClassifier(**FIT).fit(X, STEPS[:, 0])
    np.testing.assert_array_equal(hot.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(hot.predict(X), np.eye(3)[plain.predict(X)])
    assert hot.score(X, ONE_HOT) == plain.score(X, STEPS[:, 0])
    assert hot.score(X, ONE_HOT) == accuracy_score(ONE_HOT, hot.predict(X))
    named = ScaledKerasClassifier(**FIT).fit(X, pd.DataFrame(ONE_HOT, columns=["a", "b", "c"]))
    assert named.classes_.tolist() == ["a", "b", "c"]
    said = ScaledKerasClassifier(**FIT, labels="multilabel").fit(X, ONE_HOT)
    assert said.network_.layers[-1].activation.__name__ == "sigmoid"
    scores = cross_val_score(
        ScaledKerasClassifier(**FIT), X, ONE_HOT, cv=2, scoring="accuracy", error_score="raise"
    )
    assert (scores >= 0).all()


def test_columns_of_classes_have_heads_of_their_own():
    classifier = ScaledKerasClassifier(**FIT, metrics={"size": ["accuracy"]}).fit(X, COLUMNS)
    assert [classes.tolist() for classes in classifier.classes_] == [NAMES.tolist(), [0, 1, 2]]
    assert [p.shape for p in classifier.predict_proba(X)] == [(60, 3), (60, 3)]
    assert set(classifier.history_) == {"loss", "size_loss", "step_loss", "size_accuracy"}
    found = classifier.predict(X)
    assert {type(found[0, 0]), type(found[0, 1])} == {str, int}
    right = (found == COLUMNS.to_numpy(dtype=object)).all(axis=1)
    assert classifier.score(X, COLUMNS) == pytest.approx(right.mean())
    assert ScaledKerasClassifier(**FIT).fit(X, COLUMNS.to_numpy(str)).predict(X).dtype.kind == "U"


@pytest.mark.parametrize("missing", [None, "?", np.nan])
def test_a_row_without_a_label_is_absent(missing):
    y = gaps(LABELS.astype(object), missing=None)
    known = np.array([label is not None for label in y])
    y[~known] = missing
    parameters = {**FIT, "validation_split": 0.2, "metrics": ["accuracy"], "batch_size": 16}
    parameters |= {"class_weight": "balanced", "compile__run_eagerly": False}
    label = missing if missing == "?" else None
    found = ScaledKerasClassifier(**parameters, missing_label=label).fit(X, y)
    expected = ScaledKerasClassifier(**parameters).fit(X[known], LABELS[known])
    assert found.engine_ == "compiled"
    assert found.history_ == expected.history_
    np.testing.assert_array_equal(found.predict_proba(X), expected.predict_proba(X))
    assert found.score(X, y) == expected.score(X[known], LABELS[known])


@pytest.mark.parametrize(
    ("case", "parameters"),
    [
        ("steps", {}),
        ("steps", {"loss": "categorical_crossentropy"}),
        ("no axis", {}),
        ("ordinal steps", {}),
    ],
)
def test_steps_without_a_label_count_nowhere(case, parameters):
    rows, y, own = CASES[case]
    y = gaps(np.asarray(y, dtype=int), missing=-1)
    known = y != -1
    classifier = ScaledKerasClassifier(**STILL, **own, **parameters, missing_label=-1)
    classifier.fit(rows, y, X_val=rows[:20], y_val=y[:20])
    assert -1 not in classifier.classes_
    right = classifier.predict(rows) == y
    assert classifier.score(rows, y) == pytest.approx(right[known].mean())
    assert classifier.history_["accuracy"] == pytest.approx([right[known].mean()])
    assert classifier.history_["val_accuracy"] == pytest.approx([right[:20][known[:20]].mean()])
    if "ordinal" not in case:
        p = classifier.predict_proba(rows)
        loss = log_loss(y[known], p[known])
        assert classifier.history_["loss"] == pytest.approx([loss], rel=1e-5)


def test_labels_that_are_not_known_count_nowhere():
    y = gaps(MANY)
    classifier = ScaledKerasClassifier(**STILL).fit(X, y)
    known = ~np.isnan(y)
    assert classifier.network_.layers[-1].activation.__name__ == "sigmoid"
    p, predicted = classifier.predict_proba(X), classifier.predict(X)
    of_cells = np.where(y == 1, p, 1 - p)[known]
    assert classifier.history_["loss"] == pytest.approx([-np.log(of_cells).mean()], rel=1e-5)
    assert classifier.history_["accuracy"] == pytest.approx([(predicted == y)[known].mean()])
    rows = known.any(axis=1)
    right = ((predicted == y) | ~known).all(axis=1)
    assert classifier.score(X, y) == pytest.approx(right[rows].mean())


def test_a_batch_without_labels_has_no_loss():
    nothing, p = np.full((4, 5, 1), np.nan), np.full((4, 5, 3), 1 / 3)
    loss = LabelsLoss(keras.losses.SparseCategoricalCrossentropy())
    assert float(loss(nothing, p, np.zeros((4, 5)))) == 0
    y = COLUMNS.assign(step=[*STEPS[:8, 0], *[None] * 52])
    classifier = ScaledKerasClassifier(**{**FIT, "batch_size": 4}).fit(X, y)
    assert np.isfinite(classifier.history_["step_loss"]).all()
    assert all(np.isfinite(p).all() for p in classifier.predict_proba(X))


@pytest.mark.parametrize("case", ["steps with gaps", "columns with gaps"])
def test_gaps_train_in_the_compiled_loop(case):
    rows, y, own = CASES[case]
    parameters = {**FIT, "compile__run_eagerly": False, "batch_size": 16, "metrics": ["accuracy"]}
    compiled = ScaledKerasClassifier(**parameters, **own, engine="compiled").fit(rows, y)
    by_keras = ScaledKerasClassifier(**parameters, **own, engine="keras").fit(rows, y)
    for name, values in compiled.history_.items():
        # XLA orders sums otherwise.
        np.testing.assert_allclose(values, by_keras.history_[name], rtol=1e-4)


def test_sequences_in_a_dataset_are_those_of_arrays():
    y = gaps(STEPS)
    y[:16] = STEPS[:16]  # the first batches know all
    dataset = tf.data.Dataset.from_tensor_slices((SERIES, y)).batch(8)
    arrays = ScaledKerasClassifier(**STILL, **SEQUENCE).fit(SERIES, y)
    stream = clone(arrays).set_params(input_scaler=arrays.input_scaler_)
    stream.fit(dataset, validation_data=dataset)
    assert stream.history_["accuracy"] == pytest.approx(arrays.history_["accuracy"])
    assert stream.history_["val_loss"] == pytest.approx(arrays.history_["loss"], rel=1e-5)
    assert stream.classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize("case", ["steps", "no axis", "ordinal steps", "one-hot steps"])
def test_classes_of_steps_are_weighed(case):
    rows, y, own = CASES[case]
    index = y.argmax(axis=-1) if case == "one-hot steps" else np.asarray(y, dtype=int)
    total = np.bincount(index.ravel())
    by_hand = dict(enumerate((index.size / (len(total) * total)).tolist()))
    parameters = {**STILL, **own}
    balanced = ScaledKerasClassifier(**parameters, class_weight="balanced").fit(rows, y)
    named = ScaledKerasClassifier(**parameters, class_weight=by_hand).fit(rows, y)
    assert balanced.history_ == named.history_
    p = balanced.predict_proba(rows)
    if "ordinal" not in case:
        each = -np.log(np.take_along_axis(p, index[..., None], axis=-1))[..., 0]
        expected = (each * np.array(list(by_hand.values()))[index]).mean()
        assert balanced.history_["loss"] == pytest.approx([expected], rel=1e-5)


@pytest.mark.parametrize("case", ["steps", "ordinal steps", "one-hot steps"])
def test_steps_of_weight_zero_are_those_without_a_label(case):
    rows, y, own = CASES[case]
    weight = RNG.integers(0, 2, STEPS.shape)
    weight[:, 0] = 1
    y = np.array(y, dtype=float)
    # Scalers would learn from rows by weight.
    parameters = {**FIT, **own, "class_weight": "balanced", "input_scaler": None}
    weighted = ScaledKerasClassifier(**parameters).fit(rows, y, sample_weight=weight)
    y[weight == 0] = np.nan
    missing = ScaledKerasClassifier(**parameters).fit(rows, y)
    found, expected = (each.history_["loss"] for each in (weighted, missing))
    np.testing.assert_allclose(found, expected, rtol=1e-5)  # of float32


@pytest.mark.parametrize(
    ("class_weight", "by_hand"),
    [
        ("balanced", None),
        ({"b": 3.0}, [[1, 1], [1, 3], [1, 1]]),
        ({0: {0: 2.0, 1: 0.5}}, [[2, 0.5], [1, 1], [1, 1]]),
        ([None, {1: 4.0}, 2.0], [[1, 1], [1, 4], [1, 2]]),
    ],
)
def test_several_labels_are_weighed(class_weight, by_hand):
    y = pd.DataFrame(MANY, columns=["a", "b", "c"])
    classifier = ScaledKerasClassifier(**STILL, class_weight=class_weight).fit(X, y)
    if by_hand is None:
        by_hand = [[30 / (60 - n), 30 / n] for n in MANY.sum(axis=0)]
    weights = np.array(by_hand)[np.arange(3), MANY]
    p = classifier.predict_proba(X)
    expected = (-np.log(np.where(MANY == 1, p, 1 - p)) * weights).mean()
    assert classifier.history_["loss"] == pytest.approx([expected], rel=1e-5)


def test_columns_are_weighed_each_by_itself():
    by_name = {"size": "balanced", "step": {0: 3.0}}
    parameters = {**FIT, "epochs": 1}
    named = ScaledKerasClassifier(**parameters, class_weight=by_name).fit(X, COLUMNS)
    listed = ScaledKerasClassifier(**parameters, class_weight=["balanced", {0: 3.0}])
    assert listed.fit(X, COLUMNS).history_ == named.history_
    assert ScaledKerasClassifier(**parameters).fit(X, COLUMNS).history_ != named.history_


def test_ordinal_labels_learn_their_order():
    order = ["low", "mid", "high"]
    y = np.array(order)[np.digitize(X[:, 0], [-0.5, 0.5])]
    parameters = {**FIT, "epochs": 60, "optimizer__learning_rate": 0.05, "metrics": ["accuracy"]}
    parameters["compile__run_eagerly"] = False
    classifier = ScaledKerasClassifier(**parameters, ordinal=order).fit(X, y)
    assert classifier.classes_.tolist() == order
    assert classifier.network_.output_shape == (None, 2)
    assert classifier.score(X, y) > 0.9
    assert classifier.history_["accuracy"][-1] == pytest.approx(classifier.score(X, y), abs=0.05)
    assert (classifier.predict_proba(X) >= 0).all()


def test_going_on_with_labels_of_steps():
    classifier = ScaledKerasClassifier(**FIT, **SEQUENCE)
    classifier.partial_fit(SERIES, STEPS % 2, classes=[0, 1, 2]).partial_fit(SERIES, STEPS)
    assert classifier.predict_proba(SERIES).shape == (60, 5, 3)
    columns = ScaledKerasClassifier(**FIT)
    columns.partial_fit(X, COLUMNS, classes=[[*NAMES, "none"], range(4)])
    assert [p.shape[1] for p in columns.predict_proba(X)] == [4, 4]
    with pytest.raises(ValueError, match=r"classes has 3 entries, but y has 2 columns"):
        ScaledKerasClassifier(**FIT).partial_fit(X, COLUMNS, classes=[0, 1, 2])
    warm = ScaledKerasClassifier(**FIT, warm_start=True).fit(X, ONE_HOT)
    assert warm.fit(X, ONE_HOT[::-1]).classes_.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("rows", "y", "parameters", "message"),
    [
        (X, LABELS, {"labels": "steps"}, r"labels='steps' is unknown\. Choose from: 'auto'"),
        (X, LABELS, SEQUENCE, r"labels='sequence' is for y of shape \(n_samples, n_steps"),
        (X, MANY, {"labels": "multiclass"}, r"is for y of shape \(n_samples,\), got \(60, 3\)"),
        (X, MANY, {"labels": "one_hot"}, r"y must have one 1 in each row.*labels='multilabel'"),
        (X, 3 * MANY, {"labels": "multilabel"}, r"must be 0 or 1.*labels='multioutput'"),
        (X, X, {}, r"Unknown label type: continuous"),
        (X, LABELS, {"missing_label": [-1]}, r"missing_label must be one value, such as -1"),
        (X, LABELS, {"ordinal": "low"}, r"ordinal must be True, False or the labels from low"),
        (X, LABELS, {"ordinal": ["low", "low"]}, r"ordinal names the label 'low' twice"),
        (X, LABELS, {"ordinal": ["low", "high"]}, r"has the label 'mid', which ordinal=.* has not"),
        (X, MANY, {"ordinal": True}, r"ordinal=True is for one label a row or step"),
        (
            X,
            LABELS,
            {"ordinal": True, "loss": "categorical_crossentropy"},
            r"needs a column for each class, but .* Use 'binary_crossentropy'",
        ),
        (
            *(SERIES, STEPS),
            {**SEQUENCE, "model": lambda: keras.Sequential([keras.layers.Dense(4, "softmax")])},
            r"y has 3 classes at each of \(5,\) places in a row.*\('batch', 5, 3\)",
        ),
        (
            *(SERIES, STEPS),
            {"model": of_steps, "model__n_classes": 3},
            r"\('batch', 5, 3\), but y has the outputs.*Or pass labels='sequence' if the columns",
        ),
        (X, MANY, {"class_weight": {3: 1.0}}, r"class_weight: there is no column 3; there are 3"),
        (X, MANY, {"class_weight": [1.0]}, r"class_weight has 1 entries, but y has 3 columns"),
        (X, MANY, {"class_weight": 2.0}, r"class_weight must be a dict by column, a list"),
        (X, MANY, {"class_weight": {0: {2: 1.0}}}, r"class_weight of label 0 names the label 2"),
        (X, MANY, {"class_weight": {0: -1.0}}, r"class_weight of label 0 must have finite weights"),
        (X, COLUMNS, {"class_weight": {"size": {"x": 1.0}}}, r"class_weight\['size'\] names the"),
        (X, MANY, {"class_weight": "balanced", "loss": "dice"}, r"no mean over the probabilities"),
        (X, np.full(60, np.nan), {}, r"y has no known target in any row that counts"),
        (X, np.full(60, -1), {"missing_label": -1}, r"y has no known target in any row"),
        (
            X,
            np.where([True, False, True], MANY, np.nan),
            {},
            r"y has no known label in column 1: all are missing",
        ),
        (X, COLUMNS.assign(step=None), {}, r"y\['step'\] has no known label: all are missing"),
        (X, COLUMNS.assign(step=1), {}, r"y\['step'\] has one class only \(1\)"),
    ],
)
def test_bad_labels_are_refused(rows, y, parameters, message):
    with pytest.raises(ValueError, match=message):
        ScaledKerasClassifier(**{**FIT, **parameters}).fit(rows, y)


def test_other_labels_later_are_refused():
    classifier = ScaledKerasClassifier(**FIT, **SEQUENCE).fit(SERIES, STEPS)
    with pytest.raises(ValueError, match=r"y_val has shape \(60, 4\), but the y of fit had sampl"):
        classifier.fit(SERIES, STEPS, X_val=SERIES, y_val=STEPS[:, :4])
    with pytest.raises(ValueError, match=r"score needs known labels"):
        classifier.score(SERIES, np.full(STEPS.shape, np.nan))
    with pytest.raises(ValueError, match=r"y_val has 2 columns, but the y of fit had 3"):
        ScaledKerasClassifier(**FIT).fit(X, ONE_HOT, X_val=X, y_val=np.eye(2)[STEPS[:, 0] % 2])
