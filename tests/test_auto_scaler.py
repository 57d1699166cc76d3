"""``input_scaler="auto"``: what a network takes for codes passes, the rest is standardised."""

import pickle

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers
from scipy import sparse
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV

from sklearn_keras_scaling import (
    ScaledKerasClassifier,
    ScaledKerasEstimator,
    ScaledKerasRegressor,
    ScalingWarning,
    StandardScaler,
    certify,
    check_scaling,
    to_keras,
)

from .finding_codes import CODES, MIXED, PADDED, bins, embedding, lookup, sliced, two_inputs
from .finding_networks import Batches, dense, net

EAGER = {"epochs": 1, "random_state": 0, "compile__run_eagerly": True}
Y = np.random.default_rng(0).normal(size=12)[MIXED[:, 2].astype(int)] * 40 + 100
NUMBERS = MIXED[:, :2]
LAYERS = {
    "embedding": embedding,
    "lookup": lookup,
    "hashing": lambda: layers.Hashing(60, output_mode="one_hot"),
    "category_encoding": lambda: layers.CategoryEncoding(12, output_mode="one_hot"),
    "discretization": lambda: bins(*np.arange(1.0, 12.0)),
}


STANDARDISED = StandardScaler().fit_transform(NUMBERS)


def build():
    return sliced(embedding())


def fitted(model, X=MIXED, y=Y, **parameters):
    return ScaledKerasRegressor(model, input_scaler="auto", **EAGER, **parameters).fit(X, y)


@pytest.fixture(scope="module")
def regressor():
    return fitted(build)


def test_codes_pass_and_numbers_are_standardised(regressor):
    scaled = regressor.input_scaler_.transform(MIXED)
    np.testing.assert_array_equal(scaled[:, 2], MIXED[:, 2])
    np.testing.assert_array_equal(scaled[:, :2], STANDARDISED)
    assert regressor.input_scaler_.passed_.tolist() == [2]
    assert regressor.findings_ == check_scaling(regressor, X=MIXED, y=Y) == []


@pytest.mark.parametrize("name", LAYERS)
def test_columns_of_each_kind_of_layer_pass(name):
    regressor = fitted(lambda: sliced(LAYERS[name]()))
    assert regressor.input_scaler_.passed_.tolist() == [2]
    assert regressor.findings_ == []


def test_a_network_learns_from_codes():
    options = {"epochs": 60, "random_state": 0, "optimizer__learning_rate": 0.03}
    auto = ScaledKerasRegressor(build, input_scaler="auto", **options).fit(MIXED, Y)
    with pytest.warns(ScalingWarning, match=r"SKS024: .*input_scaler='auto'"):
        standard = ScaledKerasRegressor(build, **options).fit(MIXED, Y)
    assert auto.score(MIXED, Y) > 0.95 > 0.5 > standard.score(MIXED, Y)


@pytest.mark.parametrize("model", [None, lambda: net(dense(4), dense())])
def test_without_codes_it_is_standard_to_the_bit(model):
    of = {
        name: ScaledKerasRegressor(
            model, input_scaler=name, epochs=3, random_state=0, n_members=2
        ).fit(MIXED, Y)
        for name in ("auto", "standard")
    }
    np.testing.assert_array_equal(of["auto"].predict(MIXED), of["standard"].predict(MIXED))
    assert of["auto"].history_ == of["standard"].history_


def test_the_weights_are_those_of_scalers_by_hand():
    """A network that is looked at first is made once, of the same seed."""
    by_hand = [*(["standard"] * 2), None]
    networks = [
        ScaledKerasRegressor(build, input_scaler=scaler, **EAGER).fit(MIXED, Y).network_
        for scaler in ("auto", by_hand)
    ]
    for one, other in zip(*(network.get_weights() for network in networks), strict=True):
        np.testing.assert_array_equal(one, other)


def test_an_unbuilt_sequential_is_built_of_zeros():
    def build():
        return keras.Sequential([embedding(), layers.Flatten(), layers.Dropout(0.1), dense()])

    auto = fitted(build, CODES)
    unscaled = ScaledKerasRegressor(build, input_scaler=None, **EAGER).fit(CODES, Y)
    np.testing.assert_array_equal(auto.predict(CODES), unscaled.predict(CODES))


def test_named_inputs_are_looked_at_one_by_one():
    X = {"site": CODES, "size": NUMBERS}
    regressor = fitted(two_inputs, X)
    scaled = {name: one.transform(X[name]) for name, one in regressor.input_scaler_.items()}
    np.testing.assert_array_equal(scaled["site"], CODES)
    np.testing.assert_array_equal(scaled["size"], STANDARDISED)
    mixed = ScaledKerasRegressor(two_inputs, input_scaler={"site": "auto", "size": "minmax"})
    mixed.set_params(**EAGER).fit(X, Y)
    np.testing.assert_array_equal(mixed.input_scaler_["site"].transform(CODES), CODES)


def test_so_are_inputs_in_a_list_and_columns_of_a_table():
    listed = fitted(lambda: keras.Model(*listed_inputs()), [NUMBERS, CODES])
    assert [one.passed_.tolist() for one in listed.input_scaler_] == [[], [0]]
    table = pd.DataFrame(MIXED, columns=["a", "b", "code"])
    columns = {"size": ["a", "b"], "site": ["code"]}
    named = fitted(two_inputs, table, input_columns=columns)
    assert named.input_scaler_["site"].passed_.tolist() == [0]
    assert named.predict(table).shape == Y.shape


def listed_inputs():
    x = [keras.Input((2,)), keras.Input((1,))]
    return x, dense()(layers.Concatenate()([x[0], layers.Flatten()(embedding()(x[1]))]))


@pytest.mark.parametrize("compiled", [True, False])
def test_a_model_of_ones_own_is_looked_at_and_left_alone(compiled):
    model = sliced(embedding())
    if compiled:
        model.compile(optimizer="sgd", loss="mae")
    before = model.get_weights()
    assert fitted(model).input_scaler_.passed_.tolist() == [2]
    for one, other in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_windows_have_codes_of_each_step():
    def build():
        x = keras.Input((5, 2))
        code = layers.Flatten()(layers.Embedding(12, 2)(x[..., 1]))
        return keras.Model(x, dense()(layers.Concatenate()([code, layers.Flatten()(x[..., :1])])))

    windows = np.stack([MIXED[i : i + 5, 1:] for i in range(100)])
    assert fitted(build, windows, Y[:100]).input_scaler_.passed_.tolist() == [1]


def test_it_ships(regressor, tmp_path):
    again = pickle.loads(pickle.dumps(regressor))
    np.testing.assert_array_equal(again.predict(MIXED), regressor.predict(MIXED))
    model = to_keras(regressor)
    model.save(tmp_path / "model.keras")
    assert certify(regressor, model, MIXED).given < 1e-3
    told = keras.models.load_model(tmp_path / "model.keras").predict(MIXED, verbose=0)
    np.testing.assert_allclose(told.ravel(), regressor.predict(MIXED), rtol=1e-4)
    assert clone(regressor).get_params()["input_scaler"] == "auto"
    assert not hasattr(clone(regressor.input_scaler_), "passed_")


def test_training_goes_on_with_the_same_codes(regressor):
    going_on = clone(regressor).set_params(warm_start=True, update_scalers=True).fit(MIXED, Y)
    going_on.partial_fit(MIXED * [2.0, 1.0, 1.0], Y).fit(MIXED, Y)
    np.testing.assert_array_equal(going_on.input_scaler_.transform(MIXED)[:, 2], MIXED[:, 2])
    assert going_on.input_scaler_.mean_[0] == pytest.approx(1.5 * MIXED[:, 0].mean())


def two_ends():
    x = keras.Input((3,))
    hidden = sliced(embedding())(x)
    return keras.Model(x, {"size": dense()(hidden), "kind": dense(1, "sigmoid")(hidden)})


def test_so_do_streams_labels_several_targets_and_members():
    batches = Batches([(MIXED[i : i + 50], Y[i : i + 50]) for i in range(0, 200, 50)])
    labels = (Y > 100).astype(int)
    classifier = ScaledKerasClassifier(
        lambda: net(sliced(embedding()), layers.Activation("sigmoid")), input_scaler="auto", **EAGER
    )
    several = ScaledKerasEstimator(
        two_ends, targets={"size": "numbers", "kind": "labels"}, input_scaler="auto", **EAGER
    )
    for estimator in (
        fitted(build, batches, None),
        fitted(build, n_members=2, validation_split=0.2),
        classifier.fit(MIXED, labels),
        several.fit(MIXED, {"size": Y, "kind": labels}),
    ):
        np.testing.assert_array_equal(estimator.input_scaler_.transform(MIXED)[:, 2], MIXED[:, 2])
        assert estimator.findings_ == []


def test_a_search_tells_it_from_others():
    regressor = ScaledKerasRegressor(build, **EAGER)
    search = GridSearchCV(regressor, {"input_scaler": ["auto", None]}, cv=2).fit(MIXED, Y)
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_sparse_rows_need_no_mean():
    X = sparse.csr_array(MIXED)
    with pytest.raises(ValueError, match="with_mean=False"):
        fitted(build, X)
    regressor = fitted(build, X, input_scaler__with_mean=False)
    np.testing.assert_array_equal(regressor.input_scaler_.transform(X).toarray()[:, 2], CODES[:, 0])


def test_padding_is_standardised_and_told():
    def build():
        return net(layers.Masking(), layers.LSTM(2), dense(), shape=(8, 2))

    with pytest.warns(ScalingWarning, match="SKS025: a Masking looks for padding"):
        regressor = fitted(build, PADDED, Y[:40])
    assert regressor.input_scaler_.passed_.tolist() == []


class Hidden(keras.Model):
    def __init__(self):
        super().__init__()
        self.embedding, self.dense = layers.Embedding(12, 2, name="codes"), dense()

    def call(self, x):
        return self.dense(self.embedding(x)[:, 0])


def behind_a_lambda():
    return net(
        layers.Lambda(lambda x: x),
        *(layers.Embedding(12, 2, name="codes"), layers.Flatten(), dense()),
        shape=(1,),
    )


def test_functions_beside_codes_do_not_matter():
    def build():
        x = keras.Input((3,))
        numbers = layers.Lambda(lambda x: keras.ops.tanh(x))(x[:, :2])
        steps = layers.GRU(1)(layers.Masking()(layers.Reshape((2, 1))(numbers)))
        codes = layers.Flatten()(embedding()(x[:, 2:]))
        return keras.Model(x, dense()(layers.Concatenate()([steps, codes])))

    assert fitted(build).input_scaler_.passed_.tolist() == [2]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"model": Hidden}, "graph which columns are codes, but the Embedding 'codes' works in"),
        ({"model": lambda: net(Hidden(), shape=(1,))}, "'codes' works in or behind a class or f"),
        ({"model": behind_a_lambda}, "'codes' works in or behind .* Use keras.Model"),
        ({"input_scaler__axis": None}, r"statistics of each column, but got input_scaler__axis=No"),
        ({"input_scaler": ["auto"]}, r"'auto' scales a whole input inside the network, or by what"),
        ({"target_scaler": "auto"}, r"target_scaler='auto' is no known scaler"),
    ],
)
def test_bad_arguments_say_what_to_do(parameters, message):
    def build():
        return net(embedding(), layers.Flatten(), dense(), shape=(1,))

    parameters = {"model": build, "input_scaler": "auto", **EAGER, **parameters}
    with pytest.raises(ValueError, match=message):
        ScaledKerasRegressor(**parameters).fit(CODES, Y)
