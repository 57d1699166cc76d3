"""Each bad input: one error that names the argument and says what to do; nothing half-fitted."""

import inspect

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn import config_context
from sklearn.ensemble import RandomTreesEmbedding
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GroupShuffleSplit
from sklearn.preprocessing import FunctionTransformer, Normalizer, PolynomialFeatures
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from sklearn_keras_scaling import (
    ScaledKerasClassifier,
    ScaledKerasEstimator,
    ScaledKerasRegressor,
)

from . import ONE_EPOCH

RNG = np.random.default_rng(0)
X = RNG.normal(size=(12, 3))
Y = RNG.normal(size=12)
LABELS = np.arange(12) % 3


def with_cell(value, dtype=float):
    changed = X.astype(dtype)
    changed[4, 1] = value
    return changed


def frame(column, values):
    return pd.DataFrame(X, columns=["age", "bmi", "bp"]).assign(**{column: values})


def dense(units, activation=None, **compiled):
    def build():
        network = keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(units, activation=activation)]
        )
        if compiled:
            network.compile(**compiled)
        return network

    return build


def takes_four():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])


def needs_size(input_shape, size):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(size)])


def two_outputs(input_shape):
    inputs = keras.Input(input_shape)
    return keras.Model(inputs, [keras.layers.Dense(1)(inputs), keras.layers.Dense(1)(inputs)])


class PolynomialScaler(PolynomialFeatures):
    def __init__(self):
        super().__init__(include_bias=False)

    def inverse_transform(self, X):
        return X[:, :1]


def units_builder(input_shape, units=4):
    return keras.Sequential([keras.Input(input_shape), keras.layers.Dense(units)])


BAD_DATA = {
    "nan": (with_cell(np.nan), Y, r"Input X contains NaN[\s\S]*in row 4, column 1\. Impute"),
    "inf": (
        with_cell(np.inf),
        Y,
        r"Input X contains infinity[\s\S]*row 4, column 1\. Put a number",
    ),
    "named nan": (frame("bmi", [np.nan, *X[1:, 1]]), Y, r"row 0, column 'bmi'\. Impute"),
    "nullable nan": (
        frame("bmi", pd.array([1.0, pd.NA, *X[2:, 1]], dtype="Float64")),
        Y,
        r"Input X contains NaN[\s\S]*in row 1, column 'bmi'",
    ),
    "text": (
        frame("bmi", ["low"] * 12),
        Y,
        r"X has text in row 0, column 'bmi', but numbers were expected.*OneHotEncoder",
    ),
    "text array": (with_cell("a", object), Y, r"X has text in row 4, column 1, but numbers"),
    "sparse": (sparse.csr_array(X), Y, r"X: Cannot center sparse matrices: pass `with_mean=False"),
    "one axis": (X[:, 0], Y, r"Expected 2D array, got 1D array instead"),
    "zero rows": (X[:0], Y[:0], r"X: Found array with 0 sample\(s\).*Pass at least one row"),
    "lengths": (X, Y[:11], r"X and y must have as many rows each\. Found input.*\[12, 11\]"),
    "no y": (X, None, r"requires y to be passed, but the target y is None"),
    "y all nan": (X, [np.nan] * 12, r"y has no known target in any row.*wrong column chosen"),
    "y inf": (X, [np.inf, *Y[1:]], r"Input y contains infinity[\s\S]*in row 0\. Put a number"),
    "y text": (X, ["a"] * 12, r"y has text in row 0, but numbers were expected"),
}

BAD_PARAMETERS = {
    "scaler name": ({"input_scaler": "standart"}, ValueError, r"input_scaler='standart' is no "
                    r"known scaler\. Did you mean 'standard'\?"),
    "target scaler name": ({"target_scaler": "quantile"}, ValueError, r"target_scaler='quantile'"
                           r".*Choose from: 'maxabs', 'minmax', 'robust', 'squash', 'standard'"),
    "no scaler": ({"input_scaler": 3}, TypeError, r"input_scaler must be one of .* got 3"),
    "scaler class": ({"input_scaler": Normalizer}, TypeError, r"input_scaler must be one of"),
    "no inverse": ({"target_scaler": Normalizer()}, TypeError,
                   r"target_scaler must have inverse_transform, but Normalizer has none"),
    "scaler parameter": ({"input_scaler__with_maen": False}, ValueError,
                         r"input_scaler__with_maen: StandardScaler has no parameter 'with_maen'\. "
                         r"Did you mean 'with_mean'\?"),
    "parameter of no scaler": ({"input_scaler": None, "input_scaler__copy": True}, ValueError,
                               r"input_scaler__copy: NoneType has no parameter 'copy'"),
    "optimizer name": ({"optimizer": "adm"}, ValueError,
                       r"optimizer='adm' is unknown to Keras.*Did you mean 'adam'\?"),
    "no optimizer": ({"optimizer": 3}, TypeError, r"optimizer must be a name.*got 3"),
    "optimizer keyword": ({"optimizer__lr": 0.1}, ValueError,
                          r"optimizer__lr: Adam has no parameter 'lr'"),
    "loss name": ({"loss": "mean_square_error"}, ValueError, r"loss='mean_square_error' is unknown "
                  r"to Keras.*Did you mean 'mean_squared_error'\?"),
    "loss of classes": ({"loss": "sparse_categorical_crossentropy"}, ValueError,
                        r"compares class probabilities and cannot train a regressor"),
    "loss of raw targets": ({"loss": "msle"}, ValueError,
                            r"loss='mean_squared_logarithmic_error' means nothing for targets "
                            r"scaled.*Use loss_units='target'"),
    "loss keyword": ({"loss": "huber", "loss__dleta": 1.0}, ValueError,
                     r"loss__dleta: Huber has no parameter 'dleta'\. Did you mean 'delta'\?"),
    "loss function": ({"loss": lambda t, p: p, "loss__delta": 1.0}, ValueError,
                      r"loss__delta needs a loss with parameters"),
    "failing loss": ({"loss": lambda t, p: 1 / 0}, ValueError,
                     r"cannot be computed from targets of shape \(12, 1\) and outputs of shape "
                     r"\(12, 1\): division by zero"),
    "loss not finite": ({"loss": lambda t, p: t * np.nan}, ValueError,
                        r"is nan before training"),
    "metric name": ({"metrics": ["mea"]}, ValueError, r"metrics='mea' is unknown to Keras"),
    "metrics no list": ({"metrics": "mae"}, TypeError, r"metrics must be a list, got 'mae'"),
    "split of one": ({"validation_split": 1.0}, ValueError, r"validation_split must be a number "
                     r"in \[0, 1\), got 1\.0"),
    "negative split": ({"validation_split": -0.1}, ValueError, r"\[0, 1\), got -0.1\. It is the"),
    "split type": ({"validation_split": "0.2"}, ValueError, r"in \[0, 1\), got '0.2'"),
    "engine": ({"engine": "fast"}, ValueError, r"engine must be .*'fast'"),
    "early stopping": ({"early_stopping": "yes"}, TypeError,
                       r"early_stopping must be an instance of .*bool"),
    "early stopping by number": ({"early_stopping": 5}, TypeError,
                                 r"early_stopping must be an instance of bool, got 5\. How "
                                 r"many epochs it waits is another parameter, n_iter_no_change"),
    "patience": ({"n_iter_no_change": 0}, ValueError, r"n_iter_no_change == 0, must be >= 1"),
    "patience type": ({"n_iter_no_change": 2.5, "early_stopping": True}, TypeError,
                      r"n_iter_no_change must be an instance of int"),
    "no callback": ({"callbacks": [object()]}, TypeError, r"callbacks must be a list of keras\."
                    r"callbacks\.Callback, but has <object .*> of type object\. Func"),
    "a function": ({"callbacks": [keras.callbacks.TerminateOnNaN(), print]}, TypeError,
                   r"but has <built-in function print> of type builtin_function_or_method\. "
                   r"Functions are for keras\.callbacks\.LambdaCallback"),
    "a name": ({"callbacks": "early_stopping"}, TypeError, r"but has 'early_stopping' of type str"),
    "a class": ({"callbacks": [keras.callbacks.EarlyStopping]}, TypeError,
                r"but has <class .*> of type type\. Write EarlyStopping\(\)\."),
    "a generator": ({"random_state": np.random.default_rng(0)}, ValueError,
                    r"random_state must be an int from 0 to .* or None, got Generator\(PCG64\).*\. "
                    r"Draw a number from it: random_state=int\(rng\.integers\(2\*\*32\)\)"),
    "a seed of text": ({"random_state": "0"}, ValueError,
                       r"random_state must be .*, got '0'\. Write random_state=0\."),
    "a negative seed": ({"random_state": -1}, ValueError,
                        r"an int from 0 to 2\*\*32 - 1, a .*, got -1\. Write random_state=0\."),
    "updates": ({"update_scalers": "yes"}, TypeError, r"update_scalers must be an instance of"),
    "epochs": ({"epochs": 0}, ValueError, r"epochs == 0, must be >= 1"),
    "batch size": ({"batch_size": 3.5}, TypeError, r"batch_size must be an instance of int"),
    "layer sizes": ({"hidden_layer_sizes": (0,)}, ValueError, r"each of hidden_layer_sizes == 0"),
    "layer size": ({"hidden_layer_sizes": 64}, TypeError,
                   r"hidden_layer_sizes must be a tuple of int, got 64\. Write \(64,\)"),
    "no model": ({"model": 3}, TypeError, r"model must be None, a function .* got 3"),
    "forgotten return": ({"model": lambda: None}, TypeError, r"model must return a keras\.Model, "
                         r"but <lambda>\(\) returned None of type NoneType\. Does it end with"),
    "outputs": ({"model": dense(2)}, ValueError, r"returns outputs of shape \('batch', 2\), but y "
                r"has 1 column\. End the network with Dense\(1\)"),
    "inputs": ({"model": takes_four}, ValueError, r"does not take inputs of shape \('batch', 3\), "
               r"the shape of the scaled X"),
    "builder keyword": ({"model": units_builder, "model__unit": 3}, TypeError, r"model__unit: "
                        r"units_builder\(\) takes no keyword 'unit'\. Did you mean 'units'\?"),
    "keyword of a model": ({"model": dense(1)(), "model__units": 3}, TypeError,
                           r"model__units needs a builder, but model is the keras\.Model"),
    "compiled, unusable loss": (
        {"model": dense(1, loss="categorical_crossentropy")}, ValueError,
        r"loss=.*categorical_crossentropy.* cannot train a regressor"),
    "compiled, unusable loss of probabilities": (
        {"model": dense(1, loss="binary_crossentropy")}, ValueError,
        r"loss='binary_crossentropy' compares class probabilities"),
    "compiled, several losses": ({"model": dense(1, loss=["mse", "mae"])}, ValueError,
                                 r"must be one loss for the one output, got several"),
    "hinge": ({"loss": "hinge"}, ValueError, r"loss='hinge' compares class probabilities"),
    "short loss name": ({"loss": "mes"}, ValueError, r"Did you mean 'mse'\?"),
    "required keyword": ({"model": needs_size}, TypeError, r"needs_size\(\) requires 'size', "
                         r"which is not offered\. Pass it as model__size"),
    "two outputs": ({"model": two_outputs}, ValueError, r"returns outputs of shape "
                    r"\[\('batch', 1\), \('batch', 1\)\], but y has 1 column"),
    "target columns": ({"target_scaler": PolynomialScaler()}, ValueError,
                       r"turns 1 columns of y into shape \(1, 2\) a row\. Use a transfo"),
    "sparse scaler": ({"input_scaler": RandomTreesEmbedding(2)}, TypeError,
                      r"input_scaler returns a sparse matrix\. Set its sparse_output=False"),
    "compile keyword": ({"compile__jit": True}, TypeError, r"compile__jit: keras\.Model\.compile "
                        r"takes no keyword 'jit'\. Did you mean 'jit_compile'\?"),
    "fit keyword of ours": ({"fit__epochs": 3}, TypeError, r"fit__epochs: the estimator gives "
                            r"'epochs' to keras\.Model\.fit itself"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_data(case):
    inputs, targets, message = BAD_DATA[case]
    regressor = ScaledKerasRegressor(**ONE_EPOCH)
    with pytest.raises((ValueError, TypeError), match=message):
        regressor.fit(inputs, targets)
    assert vars(regressor) == vars(ScaledKerasRegressor(**ONE_EPOCH))


@pytest.mark.parametrize("case", BAD_PARAMETERS)
def test_bad_parameters(case):
    parameters, error, message = BAD_PARAMETERS[case]
    quick = {"epochs": 1, "hidden_layer_sizes": (4,), "random_state": 0}
    regressor = ScaledKerasRegressor(**{**quick, **parameters})
    before = dict(vars(regressor))
    with pytest.raises(error, match=message):
        regressor.fit(X, Y)
    assert vars(regressor) == before


def test_one_row_cannot_be_split():
    regressor = ScaledKerasRegressor(**ONE_EPOCH, validation_split=0.2)
    with pytest.raises(ValueError, match=r"validation_split=0\.2 needs at least 2 rows, X has 1"):
        regressor.fit(X[:1], Y[:1])


def test_groups():
    regressor = ScaledKerasRegressor(**ONE_EPOCH)
    with pytest.raises(
        ValueError, match=r"groups needs a splitter, but validation_split=0\.0\. Use"
    ):
        regressor.fit(X, Y, groups=LABELS)
    regressor.set_params(validation_split=GroupShuffleSplit(n_splits=1))
    with pytest.raises(ValueError, match=r"groups must have shape \(12,\), one a row, got \(5,\)"):
        regressor.fit(X, Y, groups=LABELS[:5])


def test_validation_data():
    regressor = ScaledKerasRegressor(**ONE_EPOCH)
    with pytest.raises(ValueError, match="go together, but y_val is None"):
        regressor.fit(X, Y, X_val=X)
    with pytest.raises(
        ValueError, match=r"X_val: X has 2 features.*expecting 3.*Pass the columns that"
    ):
        regressor.fit(X, Y, X_val=X[:, :2], y_val=Y)
    with pytest.raises(ValueError, match="X_val and y_val must have as many rows each"):
        regressor.fit(X, Y, X_val=X, y_val=Y[:5])
    with pytest.raises(ValueError, match="go together, but X_val is None"):
        regressor.fit(X, Y, sample_weight_val=np.ones(12))
    with pytest.raises(ValueError, match=r"The first such value of X_val is in row 4, column 1"):
        regressor.fit(X, Y, X_val=with_cell(np.nan), y_val=Y)
    with pytest.raises(ValueError, match=r"The first such value of y_val is in row 0\."):
        regressor.fit(X, Y, X_val=X, y_val=[np.inf, *Y[1:]])


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.zeros(12), "sample_weight: Sample weights must contain at least one non-zero number"),
        (-np.ones(12), "sample_weight has negative values, the least -1.0"),
        (np.full(12, np.nan), "Input sample_weight contains NaN"),
        (np.ones(5), r"sample_weight must have shape \(12,\), one a row, got \(5,\)"),
    ],
)
def test_bad_weights(weight, message):
    with pytest.raises(ValueError, match=message):
        ScaledKerasRegressor(**ONE_EPOCH).fit(X, Y, sample_weight=weight)


def test_unknown_keywords():
    with pytest.raises(
        TypeError, match=r"unexpected keyword argument 'epoch'\. Did you mean 'epochs'\?"
    ):
        ScaledKerasRegressor(epoch=3)
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'target_scaler'"):
        ScaledKerasClassifier(target_scaler="standard")
    with pytest.raises(TypeError, match=r"unexpected keyword argument 'optimiser__learning_rate'"):
        ScaledKerasRegressor(optimiser__learning_rate=0.1)
    with pytest.raises(ValueError, match="Invalid parameter 'epoch' for estimator"):
        ScaledKerasRegressor().set_params(epoch=3)


@pytest.mark.parametrize(
    ("estimator", "keywords", "message"),
    [
        (
            ScaledKerasRegressor(),
            {"epochs": 3},
            r"ScaledKerasRegressor\.fit\(\) takes no 'epochs': epochs is a parameter of the "
            r"constructor: ScaledKerasRegressor\(epochs=3\), or set_params\(epochs=3\)\.",
        ),
        (
            ScaledKerasClassifier(),
            {"sample_weight": None, "batch_size": 8, "epochs": 3},
            r"takes no 'batch_size': .*: ScaledKerasClassifier\(batch_size=8\), or set_params",
        ),
        (
            ScaledKerasEstimator(targets={"y": "numbers"}),
            {"optimizer__learning_rate": 0.1},
            r"ScaledKerasEstimator\(optimizer__learning_rate=0\.1\), or set_params",
        ),
        (
            ScaledKerasRegressor(),
            {"callbacks": [keras.callbacks.TerminateOnNaN()]},
            r"ScaledKerasRegressor\(callbacks=\[<keras.*>\]\), or set_params",
        ),
        (
            ScaledKerasRegressor(),
            {"sample_weights": np.ones(12)},
            r"ScaledKerasRegressor\.fit\(\) got an unexpected keyword argument 'sample_weights'\. "
            r"Did you mean 'sample_weight'\?",
        ),
        (
            ScaledKerasRegressor(),
            {"initial_epoch": 3},
            r"takes no 'initial_epoch': keywords of keras\.Model\.fit are given to the "
            r"constructor: ScaledKerasRegressor\(fit__initial_epoch=3\), or set_params\(fit__",
        ),
        (
            ScaledKerasRegressor(),
            {"shuffle": False},
            r"unexpected keyword argument 'shuffle'\. Choose from: 'X', 'X_val', 'groups', 'samp",
        ),
        (
            ScaledKerasRegressor(),
            {"epoch": 3},
            r"fit\(\) got an unexpected keyword argument 'epoch'\. Did you mean 'epochs'\?",
        ),
    ],
)
def test_parameters_of_the_constructor_are_none_of_fit(estimator, keywords, message):
    before = dict(vars(estimator))
    with pytest.raises(TypeError, match=message):
        estimator.fit(X, Y, **keywords)
    assert vars(estimator) == before


@pytest.mark.parametrize("kind", [ScaledKerasRegressor, ScaledKerasClassifier])
def test_fit_tells_what_it_takes_and_no_more(kind):
    taken = {"sample_weight", "groups", "X_val", "y_val", "sample_weight_val", "validation_data"}
    assert set(inspect.signature(kind.fit).parameters) == {"self", "X", "y", *taken}
    assert set(inspect.signature(kind().fit).parameters) == {"X", "y", *taken}
    assert has_fit_parameter(kind(), "sample_weight")
    assert not has_fit_parameter(kind(), "epochs")
    with config_context(enable_metadata_routing=True):
        assert set(kind().get_metadata_routing().fit.requests) == taken
        kind().set_fit_request(groups=True, sample_weight=True)
        with pytest.raises(TypeError, match=r"Unexpected args: {'epochs'}"):
            kind().set_fit_request(epochs=True)


@pytest.mark.parametrize(
    ("estimator", "y"),
    [
        (ScaledKerasRegressor(**ONE_EPOCH, early_stopping=True), Y),
        (ScaledKerasClassifier(**ONE_EPOCH, early_stopping=True), LABELS),
        (
            ScaledKerasEstimator(targets={"y": "numbers"}, **ONE_EPOCH, early_stopping=True),
            {"y": Y},
        ),
    ],
)
def test_partial_fit_has_nothing_to_stop(estimator, y):
    message = (
        r"early_stopping=True: partial_fit trains for one epoch, without rows to validate on, and "
        r"has nothing to stop\. Use early_stopping=False, or fit, which goes on under warm_start"
    )
    before = dict(vars(estimator))
    with pytest.raises(ValueError, match=message):
        estimator.partial_fit(X, y)
    assert vars(estimator) == before


def test_predict_checks_its_input():
    named = pd.DataFrame(X, columns=["age", "bmi", "bp"])
    regressor = ScaledKerasRegressor(**ONE_EPOCH)
    with pytest.raises(NotFittedError, match="This ScaledKerasRegressor instance is not fitted"):
        regressor.predict(X)
    regressor.fit(named, Y)
    with pytest.raises(ValueError, match=r"should match[\s\S]*now missing:\n- bp"):
        regressor.predict(named[["age", "bmi"]])
    with pytest.raises(ValueError, match=r"feature names should match[\s\S]*weight"):
        regressor.predict(named.rename(columns={"bp": "weight"}))
    with pytest.raises(ValueError, match=r"Found array with 0 sample"):
        regressor.predict(named[:0])
    with pytest.raises(ValueError, match=r"Input X contains NaN[\s\S]*column 'age'"):
        regressor.predict(named.assign(age=np.nan))


def test_a_failing_refit_leaves_the_earlier_fit():
    regressor = ScaledKerasRegressor(**ONE_EPOCH).fit(X, Y)
    before, expected = dict(vars(regressor)), regressor.predict(X)
    with pytest.raises(ValueError, match="Input X contains NaN"):
        regressor.fit(with_cell(np.nan)[:, :2].repeat(2, axis=1), Y)

    class Fails(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise RuntimeError("the disk is full")

    regressor.set_params(callbacks=[Fails()], warm_start=True)
    with pytest.raises(RuntimeError, match="the disk is full"):
        regressor.fit(X, Y)
    regressor.set_params(callbacks=None, warm_start=False)
    assert vars(regressor) == before
    np.testing.assert_array_equal(regressor.predict(X), expected)


def test_values_that_a_scaler_cannot_take():
    positive = FunctionTransformer(lambda v: np.where(v > 0, v, np.nan), check_inverse=False)
    regressor = ScaledKerasRegressor(**ONE_EPOCH, target_scaler=positive)
    with pytest.raises(ValueError, match="target_scaler turns values of column 0 into NaN or inf"):
        regressor.fit(X, -np.abs(Y))
    with pytest.raises(ValueError, match="input_scaler turns values of column 0 into NaN or inf"):
        ScaledKerasRegressor(**ONE_EPOCH, input_scaler=None).fit(X * 1e300, Y)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (
            np.zeros(12),
            r"y has one class only \(0\.0\), but a classifier needs at least",
        ),
        (Y, "Unknown label type: continuous"),
        ([np.inf, *LABELS[1:]], r"Input y contains infinity[\s\S]*y is in row 0\. Put a number"),
        ([np.nan] * 12, "y has no known target in any row that counts"),
        ([[0, 1], [1]] * 6, "y: setting an array element"),
        (None, "requires y to be passed, but the target y is None"),
    ],
)
def test_bad_labels(labels, message):
    classifier = ScaledKerasClassifier(**ONE_EPOCH)
    with pytest.raises(ValueError, match=message):
        classifier.fit(X, labels)
    with pytest.raises(NotFittedError):
        check_is_fitted(classifier)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (dense(2, "softmax"), r"returns outputs of shape \('batch', 2\), but y has 3 classes"),
        (
            dense(3),
            r"returns \[.*\] for the first row, which are no probabilities\. End the network",
        ),
        (
            dense(3, "sigmoid"),
            r"which are no probabilities\. End the network with Dense\(3, 'softmax'\)",
        ),
    ],
)
def test_networks_that_return_no_probabilities(model, message):
    with pytest.raises(ValueError, match=message):
        ScaledKerasClassifier(model, **ONE_EPOCH).fit(X, LABELS)


def test_logits_are_refused():
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    with pytest.raises(ValueError, match="from_logits=True, but the network must return probab"):
        ScaledKerasClassifier(**ONE_EPOCH, loss=loss).fit(X, LABELS)


def test_a_class_too_small_to_split():
    with pytest.raises(ValueError, match=r"validation_split=0\.2 cannot split 12 rows: The least"):
        ScaledKerasClassifier(**ONE_EPOCH, validation_split=0.2).fit(X, [9, *LABELS[1:]])


def test_a_network_that_cannot_be_copied_says_why():
    class Unregistered(keras.layers.Layer):
        def __init__(self, size):
            super().__init__()
            self.size = size

        def call(self, inputs):
            return inputs[:, : self.size]

    model = keras.Sequential([keras.Input((3,)), Unregistered(1), keras.layers.Dense(1)])
    with pytest.raises(TypeError, match=r"cannot be copied[\s\S]*register_keras_serializable"):
        ScaledKerasRegressor(model, **ONE_EPOCH).fit(X, Y)


CELLS = {
    "null": (None, r"NaN[\s\S]*row 4, column 'b'\. Impute it"),
    "NaN": (float("nan"), r"NaN[\s\S]*row 4, column 'b'\. Impute it"),
    "infinity": (float("inf"), r"infinity[\s\S]*row 4, column 'b'\. Put a number there, or NaN"),
    "text": ("x", r"X has text in row 4, column 'b'"),
}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("library", "table"), [("polars", "DataFrame"), ("pyarrow", "table")])
def test_a_bad_cell_of_a_table_is_named_whatever_the_library(library, table, cell):
    make = getattr(pytest.importorskip(library, reason="an optional kind of table"), table)
    value, message = CELLS[cell]
    column = list(map(str, range(10))) if cell == "text" else list(map(float, range(10)))
    column[4] = value
    frame = make({"a": list(map(float, range(10))), "b": column})
    with pytest.raises(ValueError, match=message):
        ScaledKerasRegressor().fit(frame, np.arange(10.0))
