import re
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, QuantileTransformer

from sklearn_keras_scaling import (
    LocalNormalization,
    MaxAbsScaler,
    MinMaxScaler,
    Numbers,
    ScaledKerasClassifier,
    ScaledKerasEstimator,
    ScaledKerasRegressor,
    ScalingWarning,
    StandardScaler,
    check_scaling,
)
from sklearn_keras_scaling.checks import KINDS, Subject, TargetKind, examine
from sklearn_keras_scaling.distributions import Normal
from sklearn_keras_scaling.training import DistributionLoss

from . import ONE_EPOCH
from .finding_networks import (
    LABELS,
    SEVERAL,
    STEPS,
    TWO,
    Batches,
    X,
    Y,
    dense,
    ended,
    ending,
    mlp,
    net,
    standard,
)
from .findings import CASES, TABLE, table

NAMES = ["standard", "minmax", "maxabs", "robust", "squash"]


@pytest.mark.parametrize("case", CASES, ids=lambda c: f"{c.code}-{c.name}-{c.found}")
def test_a_code_is_found_where_it_should_be_and_not_beside(case):
    given = case.given()
    findings = check_scaling(**given)
    assert (case.code in [finding.code for finding in findings]) is case.found
    for finding in findings:
        assert re.search(r"\d|=", finding.evidence) or given.get("X") is None


def test_each_code_has_a_case_and_a_near_miss():
    for found in (True, False):
        assert {case.code for case in CASES if case.found is found} == set(KINDS)


def test_the_table_in_the_docs_is_that_of_the_code():
    """``python -m tests.findings`` writes it anew."""
    assert TABLE.read_text() == table()


STOCK = {
    "MobileNet": {},
    "MobileNetV2": {},
    "MobileNetV3Small": {},
    "EfficientNetB0": {},
    "ResNet50": {},
    "DenseNet121": {},
}


@pytest.mark.parametrize("name", STOCK)
def test_no_finding_on_stock_networks(name):
    make = getattr(keras.applications, name)
    network = make(weights=None, input_shape=(32, 32, 3), classes=10)
    network.compile(loss="sparse_categorical_crossentropy")
    images = np.random.default_rng(0).integers(0, 256, size=(8, 32, 32, 3))
    y = np.arange(8)
    assert check_scaling(network) == []
    assert check_scaling(network, X=images, y=y) == []


@pytest.mark.parametrize("input_scaler", [*NAMES, None])
@pytest.mark.parametrize("target_scaler", NAMES)
def test_the_default_network_fits_each_pair_of_named_scalers(diabetes, input_scaler, target_scaler):
    scalers = {"input_scaler": input_scaler, "target_scaler": target_scaler}
    regressor = ScaledKerasRegressor(**scalers, **ONE_EPOCH).fit(*diabetes)
    # A sigmoid or tanh never quite reaches the extremes: that is advice, and fit is silent.
    saturates = target_scaler in ("minmax", "maxabs")
    assert [finding.code for finding in regressor.findings_] == ["SKS002"] * saturates
    assert check_scaling(regressor, X=diabetes[0], y=diabetes[1]) == regressor.findings_


@pytest.mark.parametrize("input_scaler", NAMES)
def test_the_default_classifier_fits_each_named_scaler(wine, input_scaler):
    classifier = ScaledKerasClassifier(input_scaler=input_scaler, **ONE_EPOCH).fit(*wine)
    assert classifier.findings_ == []
    assert check_scaling(classifier, X=wine[0], y=wine[1]) == []


EAGER = {**ONE_EPOCH, "compile__run_eagerly": True}
GAPS = np.where(np.arange(600).reshape(200, 3) % 4 == 0, np.nan, Y * [1.0, -1.0, 1.0])
NONE_COMPLETE = np.where(np.eye(3)[LABELS] == 1, np.nan, Y * [1.0, -1.0, 1.0])


@pytest.mark.parametrize(
    "distribution", ["normal", "student_t", "laplace", "quantiles", "zero_inflated_lognormal"]
)
def test_the_default_network_fits_each_distribution(distribution):
    y = np.abs(GAPS)
    regressor = ScaledKerasRegressor(distribution=distribution, **EAGER).fit(X, y)
    assert regressor.findings_ == check_scaling(regressor, X=X, y=y) == []


@pytest.mark.parametrize(
    "y",
    [LABELS % 2, np.array(["a", "b", "c"])[LABELS], SEVERAL, np.eye(3, dtype=int)[LABELS], STEPS],
)
def test_the_default_network_fits_labels_of_each_kind(y):
    classifier = ScaledKerasClassifier(**EAGER).fit(X, y)
    assert classifier.findings_ == check_scaling(classifier, X=X, y=y, X_val=X, y_val=y) == []


@pytest.mark.parametrize("y", [GAPS, NONE_COMPLETE])
@pytest.mark.parametrize("target_scaler", NAMES)
def test_the_default_network_fits_targets_with_gaps(target_scaler, y):
    regressor = ScaledKerasRegressor(target_scaler=target_scaler, **EAGER).fit(X, y)
    assert {finding.code for finding in regressor.findings_} <= {"SKS002"}
    assert check_scaling(regressor, X=X, y=y, X_val=X, y_val=y) == regressor.findings_


def test_targets_with_gaps_hide_nothing():
    y = NONE_COMPLETE
    scaler = MinMaxScaler((-1, 1)).fit(np.where(np.arange(200)[:, None] == 5, 1e6, y))
    (outside,) = check_scaling(net(dense(3, "sigmoid")), target_scaler=standard(y), y=y)
    assert outside.code == "SKS001"
    z = standard(y).transform(y)[~np.isnan(y)]
    share = ((z < 0) | (z > 1)).mean()
    assert re.search(rf"they go from -\d.*, and {share:.0%} lie outside", outside.evidence)
    later = np.add(y, [0, 0, 1e3])
    found = check_scaling(net(dense(3)), target_scaler=scaler, y=y, y_val=later)
    assert [finding.code for finding in found] == ["SKS013", "SKS015"]
    assert "100% of column 2" in found[1].evidence
    (sizes,) = check_scaling(net(dense(3)), y=y * [1, 1, 1e-3])
    assert sizes.code == "SKS008"
    assert not any("nan" in finding.evidence for finding in [outside, sizes, *found])


def mixed(n_classes=3, **activations):
    x = keras.Input((3,))
    units = {"size": 2, "kind": n_classes, "tags": 3, "price": 2}
    heads = {
        name: dense(units[name], activations.get(name, default), name=name)(x)
        for name, default in {"kind": "softmax", "tags": "sigmoid", "size": None}.items()
    }
    return keras.Model(x, heads | {"price": dense(2, activations.get("price"), name="price")(x)})


def subject(network, **given):
    return Subject(
        *(network, None, {"kind": None, "tags": None, "size": standard(TWO), "price": standard(Y)}),
        X=(X - X.mean(axis=0)) / X.std(axis=0),
        y={"kind": np.array(["a", "b", "c"])[LABELS], "tags": SEVERAL, "size": TWO, "price": Y},
        kinds={
            "kind": TargetKind("label"),
            "tags": TargetKind("labels"),
            "size": TargetKind(),
            "price": TargetKind("distribution", Normal()),
        },
        **given,
    )


def test_outputs_of_mixed_kinds_are_judged_each_by_its_own():
    assert examine(subject(mixed())) == []
    wrong = {"kind": "linear", "tags": "softmax", "size": "softmax", "price": "sigmoid"}
    found = examine(subject(mixed(**wrong)))
    assert [(finding.code, finding.layer) for finding in found] == [
        ("SKS001", "size"),
        ("SKS018", "size"),
        ("SKS019", "tags"),
        ("SKS021", "kind"),
        ("SKS022", "price"),
    ]


def test_an_estimator_of_mixed_kinds_tells_them():
    y = {"kind": np.array(["a", "b", None], dtype=object)[LABELS], "tags": SEVERAL, "size": TWO}
    kinds = {"kind": "labels", "tags": "multilabel", "size": "numbers"}
    y["price"], kinds["price"] = Y[:, 0], Numbers(distribution="normal")
    fitted = ScaledKerasEstimator(targets=kinds, **EAGER).fit(X, y)
    assert fitted.findings_ == check_scaling(fitted, X=X, y=y, X_val=X, y_val=y) == []
    network = mixed(2, size="softmax", price="relu")
    wrong = ScaledKerasEstimator(network, targets=kinds, **EAGER)
    wrong.set_params(ignore_findings=("SKS020",))
    with pytest.warns(ScalingWarning, match="SKS001[^$]*SKS018[^$]*SKS022"):
        wrong.fit(X, y)
    assert {(f.code, f.layer) for f in wrong.findings_} == {
        ("SKS001", "size"),
        ("SKS018", "size"),
        ("SKS022", "price"),
    }
    heavy = {**kinds, "size": Numbers(None, weight=2.0)}
    raw = ScaledKerasEstimator(targets=heavy, ignore_findings=("SKS008",), **EAGER).fit(X, y)
    assert [f.code for f in check_scaling(raw, X=X, y=y)] == ["SKS008"]


def test_sizes_of_numbers_are_compared_beside_labels():
    raw = replace(subject(mixed()), target_scaler=dict.fromkeys(["kind", "tags", "size", "price"]))
    losses = {"kind": "categorical_crossentropy", "tags": "binary_crossentropy", "size": "mse"}
    loss = losses | {"price": DistributionLoss(Normal())}
    (finding,) = examine(replace(raw, loss=loss))
    assert (finding.code, finding.layer) == ("SKS008", "size")


@pytest.mark.parametrize("distribution", ["normal", "quantiles"])
def test_a_loss_that_grows_with_targets_adds_up_distributions(distribution):
    regressor = ScaledKerasRegressor(distribution=distribution, target_scaler=None, **EAGER)
    # The likelihood divides by the deviations, the pinball loss does not.
    regressor.set_params(ignore_findings=("SKS008",)).fit(X, TWO)
    codes = [finding.code for finding in check_scaling(regressor, X=X, y=TWO)]
    assert codes == (["SKS008"] if distribution == "quantiles" else [])


def test_locations_of_distributions_are_what_zeros_become():
    def without_bias(input_shape, output_shape):
        return net(dense(4), dense(output_shape[0], use_bias=False), shape=input_shape)

    for target_scaler, codes in {"standard": [], "minmax": ["SKS003"]}.items():
        regressor = ScaledKerasRegressor(
            without_bias, distribution="normal", target_scaler=target_scaler, **EAGER
        ).fit(X, Y[:, 0])
        assert [finding.code for finding in regressor.findings_] == codes


def test_a_dead_end_is_told_with_its_columns():
    (finding,) = [f for f in check_scaling(**ended("relu", [-30.0, 1.0], TWO)) if f.code > "SKS016"]
    assert finding.code == "SKS020"
    assert finding.evidence == (
        "column 0 of 2: relu is 0 for all 200 values looked at, where its slope is 0"
    )
    listed = {**ended("relu", [-30.0]), "X": X.tolist()}
    assert "SKS020" in [finding.code for finding in check_scaling(**listed)]
    network = ending("relu", [-30.0])
    with pytest.warns(ScalingWarning, match="SKS020: the end of the network is dead"):
        ScaledKerasRegressor(network, target_scaler="minmax", **EAGER).fit(X, Y[:, 0])


def test_what_classes_cannot_be_is_found_though_it_begins_within():
    network = ending("relu", [0.5], 0.001)
    with pytest.warns(ScalingWarning, match="SKS021: the output activation has numbers that are"):
        classifier = ScaledKerasClassifier(network, **EAGER).fit(X, LABELS % 2)
    (finding,) = classifier.findings_
    assert finding.layer == network.layers[-1].name
    assert finding.evidence == "relu reaches 0 and more; probabilities go from 0 to 1"
    assert check_scaling(classifier) == [finding]


def test_members_are_checked_as_one_of_them():
    with pytest.warns(ScalingWarning, match="SKS001"):
        regressor = ScaledKerasRegressor(sigmoid, n_members=2, **EAGER).fit(X, Y[:, 0])
    assert check_scaling(regressor, X=X, y=Y[:, 0]) == regressor.findings_


def sigmoid(input_shape):
    return net(dense(4, "relu"), dense(1, "sigmoid", name="out"), shape=input_shape)


def test_fit_warns_once_of_all_that_is_severe(diabetes):
    data, y = diabetes
    regressor = ScaledKerasRegressor(sigmoid, input_scaler=None, **ONE_EPOCH)
    with pytest.warns(ScalingWarning) as caught:
        regressor.fit(data * 1000, y)
    caught = [one for one in caught if one.category is ScalingWarning]  # JAX has some of its own
    assert len(caught) == 1
    assert caught[0].filename == __file__
    text = str(caught[0].message)
    for code in ("SKS001", "SKS009"):
        assert f"\n{code}: {KINDS[code].problem}. {KINDS[code].remedy}" in text
    assert "ignore_findings=('SKS001', 'SKS009') is silent about it." in text
    assert caught[0].message.findings == regressor.findings_
    assert regressor.findings_[0].layer == "out"
    assert "sigmoid reaches 0 to 1; of the scaled targets, they go from -1." in str(
        regressor.findings_[0]
    )
    assert clone(regressor).fit  # the warning left a fitted estimator behind
    assert regressor.predict(data).shape == y.shape


def test_codes_can_be_silenced(diabetes):
    quiet = ScaledKerasRegressor(sigmoid, ignore_findings=("SKS001",), **ONE_EPOCH).fit(*diabetes)
    assert quiet.findings_ == []
    assert [f.code for f in check_scaling(quiet, y=diabetes[1])] == ["SKS001"]
    assert check_scaling(quiet, y=diabetes[1], ignore=["SKS001"]) == []


def test_an_error_of_the_warning_leaves_the_estimator_as_it_was(diabetes):
    regressor = ScaledKerasRegressor(sigmoid, **ONE_EPOCH)
    with pytest.raises(ScalingWarning, match="SKS001"):  # warnings are errors here
        regressor.fit(*diabetes)
    assert not hasattr(regressor, "findings_")


def test_partial_fit_warns_at_first_alone(diabetes):
    regressor = ScaledKerasRegressor(sigmoid, **ONE_EPOCH)
    with pytest.warns(ScalingWarning, match="SKS001"):
        regressor.partial_fit(*diabetes)
    regressor.partial_fit(*diabetes)


def test_several_inputs_and_outputs_are_checked_by_name(diabetes):
    data, y = diabetes
    frame = pd.DataFrame(data, columns=list("abcdefghij")).assign(b=data[:, 1] * 1e6)
    regressor = ScaledKerasRegressor(
        input_columns={"one": ["a", "b"], "two": slice(2, 10)},
        input_scaler={"one": None, "two": "standard"},
        target_columns={"score": [0], "months": [1]},
        target_scaler=None,
        **ONE_EPOCH,
    )
    table = np.column_stack([y, y / 1e3])
    with pytest.warns(ScalingWarning, match="SKS008[^$]*SKS009"):
        regressor.fit(frame, table)
    found = {finding.code: finding.evidence for finding in regressor.findings_}
    assert "(score, column 0)" in found["SKS008"]
    assert "(column 1)" in found["SKS009"]
    assert check_scaling(regressor, X=frame, y=table) == regressor.findings_


def test_targets_in_their_units_are_compared_by_the_loss(diabetes):
    data, y = diabetes
    regressor = ScaledKerasRegressor(loss_units="target", **ONE_EPOCH)
    with pytest.warns(ScalingWarning, match="SKS008"):
        regressor.fit(data, np.column_stack([y, y / 1e3]))


def test_streams_show_their_first_batch(diabetes):
    data, y = diabetes
    batches = [(data[i : i + 100] * 1000, y[i : i + 100]) for i in range(0, 400, 100)]
    regressor = ScaledKerasRegressor(input_scaler=None, **ONE_EPOCH)
    with pytest.warns(ScalingWarning, match="SKS009"):
        regressor.fit(Batches(batches))


def test_columns_are_named_as_the_data_frame_names_them():
    frame = pd.DataFrame(X, columns=["age", "bmi", "bp"]).assign(bmi=1.0)
    (finding,) = check_scaling(mlp(), StandardScaler().fit(frame), X=frame)
    assert finding.code == "SKS012"
    assert finding.evidence.startswith("column 'bmi': of 200 values looked at, 200 of the first")
    assert str(finding) == (
        f"SKS012 (advice), layer {finding.layer!r}: {finding.problem}.\n"
        f"  Measured: {finding.evidence}.\n  Remedy: {finding.remedy}"
    )


@pytest.mark.parametrize(
    "scaler", [PCA(2), MaxAbsScaler(), QuantileTransformer(n_quantiles=20)], ids=repr
)
def test_any_transformer_and_sparse_rows_are_looked_at(scaler):
    data = sparse.csr_matrix(X) if isinstance(scaler, MaxAbsScaler) else X
    width = 2 if isinstance(scaler, PCA) else 3
    assert check_scaling(net(dense(), shape=(width,)), scaler.fit(data), X=data) == []
    assert check_scaling(mlp(), X=X.tolist(), y=Y.ravel().tolist()) == []


def test_text_and_missing_values_are_left_to_the_scaler():
    frame = pd.DataFrame({"site": ["a", "b"] * 100, "age": X[:, 0]})
    frame.loc[3, "age"] = np.nan
    fill = make_pipeline(SimpleImputer(), StandardScaler())
    encode = ColumnTransformer([("site", OneHotEncoder(), ["site"]), ("age", fill, ["age"])])
    assert check_scaling(mlp(), encode.fit(frame), X=frame) == []
    assert check_scaling(net(dense(), shape=(1,)), X=frame[["age"]]) == []


def test_large_data_are_sampled():
    data = np.broadcast_to(X[:1], (10**7, 3))  # read as a whole, they would take minutes
    assert [f.code for f in check_scaling(mlp(), X=data)] == ["SKS012"]
    rows = np.arange(50_000)
    wide = sparse.csr_matrix((rows % 7 + 1.0, (rows % 5000, rows)))
    assert check_scaling(net(dense(), shape=(50_000,)), X=wide) == []


class Own(keras.Model):
    def __init__(self):
        super().__init__()
        self.layer = keras.layers.Dense(1, "sigmoid", use_bias=False)

    def call(self, x):
        return 100 * self.layer(x / 1000)


def test_of_a_network_without_a_graph_only_the_data_are_checked():
    network = Own()
    network(X[:1])
    assert check_scaling(network, X=X * 1000, y=Y) == []
    assert [f.code for f in check_scaling(network, X=X + 1e7)] == ["SKS014"]


def test_columns_whose_squares_are_0_are_found():
    X = np.random.default_rng(0).normal(size=(200, 3)) * [1, 1, 1e-200]
    network = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    assert "SKS009" in [finding.code for finding in check_scaling(network, X=X)]


def test_nothing_is_changed():
    network = net(keras.layers.Rescaling(1 / 255), dense(4), keras.layers.BatchNormalization())
    before = [weight.copy() for weight in network.get_weights()]
    check_scaling(network, standard(X), X=X, y=np.ones((200, 4)) * Y)
    for old, new in zip(before, network.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_bad_arguments():
    with pytest.raises(ValueError, match=r"ignore names 'SKS01'.*Did you mean 'SKS0\d\d'"):
        check_scaling(mlp(), ignore=["SKS01"])
    with pytest.raises(TypeError, match=r"ignore must be a tuple of codes.*Write \(\"SKS001\",\)"):
        check_scaling(mlp(), ignore="SKS001")
    with pytest.raises(TypeError, match=r"model must be a keras.Model or a fitted estimator"):
        check_scaling(StandardScaler())
    with pytest.raises(TypeError, match=r"input_scaler must be a fitted scaler or None, got 'stan"):
        check_scaling(mlp(), "standard")
    with pytest.raises(TypeError, match=r"target_scaler\['a'\] must be a fitted scaler"):
        check_scaling(mlp(), target_scaler={"a": "minmax"})
    with pytest.raises(NotFittedError, match="StandardScaler"):
        check_scaling(mlp(), StandardScaler(), X=X)
    with pytest.raises(NotFittedError, match="ScaledKerasRegressor"):
        check_scaling(ScaledKerasRegressor())
    with pytest.raises(ValueError, match="X_val is compared with X: pass both"):
        check_scaling(mlp(), X_val=X)


def test_bad_arguments_with_an_estimator(regressor, diabetes):
    with pytest.raises(TypeError, match=r"ScaledKerasRegressor has its own scalers. Pass it alone"):
        check_scaling(regressor, StandardScaler())
    with pytest.raises(ValueError, match="X has 3 features, but Scal"):
        check_scaling(regressor, X=X)
    with pytest.raises(ValueError, match=r"ignore_findings names 'SKS01'"):
        ScaledKerasRegressor(ignore_findings=("SKS01",)).fit(*diabetes)
    (finding,) = check_scaling(regressor, X=diabetes[0], X_val=diabetes[0] + [100] * 10)
    assert finding.code == "SKS015"


def test_rows_with_missing_values_hide_nothing():
    raw = 1e5 * np.random.default_rng(0).normal(size=(300, 4))
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    raw[0] = np.nan
    assert [f.code for f in check_scaling(network, X=raw)] == ["SKS009"]
    assert [f.code for f in check_scaling(network, X=pd.DataFrame(raw))] == ["SKS009"]
    found = check_scaling(network, X=raw, X_val=3 * raw, ignore=("SKS009",))
    assert [f.code for f in found] == ["SKS015"]
    assert "nan" not in found[0].evidence


def test_chance_is_no_finding():
    rows = np.random.default_rng(0).normal(size=(300, 4))
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    assert check_scaling(network, X=rows[:30], X_val=rows[30:]) == []


@pytest.mark.parametrize(
    "first",
    [
        lambda: keras.layers.LayerNormalization(),
        lambda: keras.layers.UnitNormalization(),
        lambda: LocalNormalization(5),
    ],
)
def test_networks_that_normalize_themselves_may_have_raw_numbers(first):
    raw = 1e6 * (1 + np.random.default_rng(0).normal(size=(100, 12, 1)))
    layers = [first(), keras.layers.Flatten(), keras.layers.Dense(1)]
    assert check_scaling(keras.Sequential([keras.Input((12, 1)), *layers]), X=raw) == []
    inputs = keras.Input((12, 1))
    outputs = keras.layers.Dense(1)(keras.layers.Flatten()(inputs / 1e6))
    assert check_scaling(keras.Model(inputs, outputs), X=raw) == []


def test_names_and_widths_that_do_not_fit_are_told():
    inputs = {"num": keras.Input((3,), name="num"), "cat": keras.Input((1,), name="cat")}
    outputs = keras.layers.Dense(1)(keras.layers.Concatenate()(list(inputs.values())))
    network, rows = keras.Model(inputs, outputs), np.random.default_rng(0).normal(size=(50, 3))
    with pytest.raises(ValueError, match=r"X names the input 'nam', .* Did you mean 'num'\?"):
        check_scaling(network, X={"nam": rows, "cat": rows[:, :1]})
    alone = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    with pytest.raises(ValueError, match=r"X has 3 columns, but X_val has 2\. Pass the same"):
        check_scaling(alone, X=rows, X_val=rows[:, :2])
