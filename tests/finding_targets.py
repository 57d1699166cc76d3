"""Cases of ``check_scaling`` for what a network can never say of its targets."""

from __future__ import annotations

import keras
import numpy as np
from sklearn import preprocessing
from sklearn.pipeline import make_pipeline

from sklearn_keras_scaling import (
    StandardScaler,
)
from sklearn_keras_scaling.distributions import Normal, Quantiles
from sklearn_keras_scaling.training import DistributionLoss

from .finding_networks import (
    FAR,
    LABELS,
    MOSTLY_GAPS,
    POSITIVE,
    SEVERAL,
    SHARES,
    STEPS,
    TWO,
    Own,
    X,
    Y,
    dense,
    ended,
    ending,
    fitted,
    joined,
    location_and_scale,
    minmax,
    mlp,
    net,
    no,
    of_x,
    of_y,
    standard,
    with_gaps,
    yes,
)

OF_TARGETS = [
    *yes(
        "SKS017",
        numbers=lambda: of_y(mlp("softmax"), minmax(Y)),
        labels=lambda: of_y(mlp("softmax", loss="binary_crossentropy"), None, LABELS % 2),
        without_data=lambda: {"model": mlp("softmax")},
        layer=lambda: of_y(net(dense(), keras.layers.Softmax()), minmax(Y)),
        each_step=lambda: of_y(net(dense(1, "softmax"), shape=(5, 3)), None, STEPS),
        unbuilt=lambda: {"model": keras.Sequential([dense(), dense(1, "softmax")])},
        one_quantile=lambda: fitted(Y[:, 0], mlp("softmax"), distribution=Quantiles((0.9,))),
        one_class=lambda: fitted(LABELS % 2, mlp("softmax")),
    ),
    *no(
        "SKS017",
        sigmoid=lambda: of_y(mlp("sigmoid"), None, LABELS % 2),
        two=lambda: of_y(net(dense(2, "softmax")), None, LABELS % 2),
        reshaped=lambda: of_y(
            net(dense(3, "softmax"), keras.layers.Reshape((3, 1))), None, SHARES[..., None]
        ),
        over_steps=lambda: of_y(
            net(dense(), keras.layers.Softmax(axis=1), shape=(3, 2)), None, SHARES[..., None]
        ),
        own=lambda: of_y(Own(), None),
    ),
    *yes(
        "SKS018",
        minmax=lambda: of_y(net(dense(2, "softmax")), minmax(TWO), TWO),
        standard_without_data=lambda: of_y(net(dense(2, "softmax")), standard(TWO), None),
        counts=lambda: of_y(net(dense(2, "softmax")), None, np.floor(np.abs(TWO))),
        shares_scaled=lambda: of_y(net(dense(3, "softmax")), minmax(SHARES), SHARES),
        reshaped=lambda: of_y(
            net(dense(4, "softmax"), keras.layers.Reshape((2, 2))),
            None,
            np.stack([SHARES[:, :2], SHARES[:, 1:]], axis=1),
        ),
        some_missing=lambda: of_y(net(dense(2, "softmax")), None, with_gaps(TWO)),
        estimator=lambda: fitted(TWO, net(dense(2, "softmax")), target_scaler="minmax"),
        quantiles=lambda: fitted(Y[:, 0], net(dense(3, "softmax")), distribution="quantiles"),
    ),
    *no(
        "SKS018",
        shares=lambda: of_y(net(dense(3, "softmax")), None, SHARES),
        shares_with_gaps=lambda: of_y(net(dense(3, "softmax")), None, with_gaps(SHARES)),
        shares_each_step=lambda: of_y(
            net(dense(3, "softmax"), shape=(2, 3)), None, np.stack([SHARES, SHARES], axis=1)
        ),
        estimator=lambda: fitted(SHARES, net(dense(3, "softmax")), target_scaler=None),
        classes=lambda: of_y(net(dense(3, "softmax")), None, LABELS),
        classes_each_step=lambda: of_y(net(dense(3, "softmax"), shape=(5, 3)), None, STEPS),
        sigmoid=lambda: of_y(net(dense(2, "sigmoid")), minmax(TWO), TWO),
        soft_labels=lambda: of_y(
            net(dense(3, "softmax"), loss="categorical_crossentropy"), None, SHARES
        ),
    ),
    *yes(
        "SKS019",
        estimator=lambda: fitted(SEVERAL, net(dense(3, "softmax"))),
        some_missing=lambda: fitted(
            np.where(np.arange(600).reshape(200, 3) % 7 == 0, -1, SEVERAL),
            net(dense(3, "softmax")),
            missing_label=-1,
        ),
        ordinal=lambda: fitted(LABELS, net(dense(2, "softmax")), ordinal=True),
        each_step=lambda: fitted(STEPS, net(dense(5, "softmax")), labels="sequence"),
        bare=lambda: of_y(net(dense(3, "softmax")), None, SEVERAL),
        compiled=lambda: of_y(
            net(dense(3), keras.layers.Softmax(), loss="binary_crossentropy"), None, SEVERAL
        ),
    ),
    *no(
        "SKS019",
        sigmoid=lambda: fitted(SEVERAL, net(dense(3, "sigmoid"))),
        ordinal=lambda: fitted(LABELS, net(dense(2, "sigmoid")), ordinal=True),
        classes_each_step=lambda: fitted(
            STEPS,
            net(dense(10), keras.layers.Reshape((5, 2)), keras.layers.Softmax()),
            labels="sequence",
        ),
        one_hot_rows=lambda: fitted(np.eye(3, dtype=int)[LABELS], net(dense(3, "softmax"))),
        one_hot=lambda: of_y(net(dense(3, "softmax")), None, np.eye(3)[LABELS]),
        one_a_row=lambda: fitted(LABELS, net(dense(3, "softmax"))),
        each_step=lambda: of_y(net(dense(3, "softmax"), shape=(5, 3)), None, STEPS),
        without_data=lambda: of_y(net(dense(3, "softmax")), None, None),
    ),
    *yes(
        "SKS023",
        power_far_from_zero=lambda: of_y(
            net(dense(1)), preprocessing.PowerTransformer("box-cox").fit(FAR), FAR
        ),
        wrong_inverse=lambda: of_y(
            net(dense(1)),
            preprocessing.FunctionTransformer(np.log1p, np.exp, check_inverse=False).fit(POSITIVE),
            POSITIVE,
        ),
        with_gaps=lambda: of_y(
            net(dense(1)), preprocessing.PowerTransformer("box-cox").fit(FAR), with_gaps(FAR)
        ),
        estimator=lambda: fitted(
            FAR[:, 0], net(dense(1)), target_scaler=preprocessing.PowerTransformer("box-cox")
        ),
    ),
    *no(
        "SKS023",
        power=lambda: of_y(net(dense(1)), preprocessing.PowerTransformer().fit(POSITIVE), POSITIVE),
        standard_first=lambda: of_y(
            net(dense(1)),
            make_pipeline(StandardScaler(), preprocessing.PowerTransformer()).fit(FAR),
            FAR,
        ),
        standard_far=lambda: of_y(net(dense(1)), standard(1e9 + POSITIVE), 1e9 + POSITIVE),
        quantiles=lambda: of_y(
            net(dense(1)), preprocessing.QuantileTransformer(n_quantiles=50).fit(POSITIVE), POSITIVE
        ),
        constant=lambda: of_y(net(dense(1)), standard(np.ones((60, 1))), np.ones((60, 1))),
        unscaled=lambda: of_y(net(dense(1)), None, FAR),
        mostly_gaps=lambda: of_y(net(dense(1)), standard(MOSTLY_GAPS), MOSTLY_GAPS),
    ),
    *yes(
        "SKS020",
        relu=lambda: ended("relu", [-30.0]),
        one_of_two=lambda: ended("relu", [-30.0, 1.0], TWO),
        layer=lambda: ended(keras.layers.ReLU(max_value=4.0), [30.0]),
        hard_sigmoid=lambda: ended("hard_sigmoid", [30.0]),
        estimator=lambda: fitted(Y[:, 0], ending("relu", [-30.0]), target_scaler="minmax"),
        two_inputs=lambda: {
            "model": joined("relu", -30.0),
            "X": {"a": with_gaps(X), "b": X[:, :1]},
            "y": np.abs(Y),
        },
    ),
    *no(
        "SKS020",
        alive_on_some=lambda: ended("relu", [-2.0]),
        leaky=lambda: ended(keras.layers.ReLU(negative_slope=0.1), [-30.0]),
        softplus=lambda: ended("softplus", [-30.0]),
        hidden=lambda: of_x(
            net(dense(4, "relu", bias_initializer=keras.initializers.Constant(-30.0)), dense()),
            standard(X),
        ),
        nothing_to_learn=lambda: ended("relu", [-30.0, 1.0], np.abs(TWO) * [0, 1]),
        without_data=lambda: {**ended("relu", [-30.0]), "X": None},
        few_rows=lambda: {**ended("relu", [-30.0]), "X": X[:5]},
        two_inputs=lambda: {"model": joined("relu", 1.0), "X": {"a": X, "b": X[:, :1]}, "y": Y},
        one_of_two_inputs=lambda: {"model": joined("relu", -30.0), "X": {"a": X}},
        fixed_rows=lambda: {
            "model": keras.Sequential(
                [keras.Input(batch_shape=(4, 3)), *ending("relu", [-30.0]).layers]
            ),
            "X": X,
        },
    ),
    *yes(
        "SKS021",
        relu=lambda: fitted(LABELS % 2, ending("relu", [0.5], 0.001)),
        linear=lambda: fitted(LABELS % 2, ending("linear", [0.5], 0.001)),
        linear_of_two=lambda: fitted(LABELS % 2, ending("linear", [0.5, 0.5], 0.001)),
        softplus=lambda: fitted(SEVERAL, ending("softplus", [-1.0] * 3, 0.001)),
        compiled=lambda: of_y(mlp("tanh", loss="binary_crossentropy"), None, LABELS % 2),
        codes=lambda: of_y(
            net(dense(3, "relu"), loss="sparse_categorical_crossentropy"), None, LABELS
        ),
    ),
    *no(
        "SKS021",
        sigmoid=lambda: fitted(SEVERAL, net(dense(3, "sigmoid"))),
        hard_sigmoid=lambda: fitted(LABELS % 2, mlp("hard_sigmoid")),
        softmax_behind=lambda: fitted(LABELS, net(dense(3), keras.layers.Softmax())),
        own_behind=lambda: fitted(LABELS % 2, net(dense(), keras.layers.Rescaling(0.0, 0.5))),
        logits=lambda: of_y(
            mlp(loss=keras.losses.BinaryCrossentropy(from_logits=True)), None, LABELS % 2
        ),
        signs=lambda: of_y(mlp("tanh", loss="hinge"), None, LABELS % 2),
        squares=lambda: of_y(mlp("relu", loss="mse"), None, LABELS % 2),
        not_compiled=lambda: of_y(mlp(), None, LABELS % 2),
        numbers=lambda: of_y(mlp(), standard(Y)),
    ),
    *yes(
        "SKS022",
        relu=lambda: fitted(Y[:, 0], ending("relu", [1.0, 1.0]), distribution="normal"),
        softplus=lambda: fitted(Y[:, 0], net(dense(2, "softplus")), distribution="laplace"),
        tanh=lambda: fitted(Y[:, 0], net(dense(2, "tanh")), distribution="student_t"),
        softmax=lambda: fitted(Y[:, 0], net(dense(2, "softmax")), distribution="normal"),
        several=lambda: fitted(
            TWO, net(dense(4, "sigmoid"), keras.layers.Reshape((2, 2))), distribution="normal"
        ),
        zero_inflated=lambda: fitted(
            np.abs(Y[:, 0]), net(dense(3, "elu")), distribution="zero_inflated_lognormal"
        ),
        without_data=lambda: {
            "model": fitted(Y[:, 0], net(dense(2, "elu")), distribution="normal")["model"]
        },
        compiled=lambda: of_y(
            net(dense(2, "sigmoid"), loss=DistributionLoss(Normal())), standard(Y)
        ),
    ),
    *no(
        "SKS022",
        linear=lambda: fitted(Y[:, 0], net(dense(2)), distribution="normal"),
        leaky=lambda: fitted(Y[:, 0], net(dense(2, "leaky_relu")), distribution="normal"),
        each_its_own=lambda: fitted(Y[:, 0], location_and_scale(), distribution="normal"),
        quantiles=lambda: fitted(
            Y[:, 0], net(dense(3, "sigmoid")), distribution="quantiles", target_scaler="minmax"
        ),
        number=lambda: of_y(mlp("sigmoid"), minmax(Y)),
    ),
]
