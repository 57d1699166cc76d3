"""For each code of a finding: arguments of ``check_scaling`` that have it, and near misses.

``python -m tests.findings`` writes the table of ``docs/findings.md``.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
from sklearn import preprocessing

from sklearn_keras_scaling import (
    MaxAbsScaler,
    RobustScaler,
    StandardScaler,
)
from sklearn_keras_scaling.checks import KINDS

from .finding_codes import CODES_AS_THEY_ARE, PADDING_AS_IT_IS, SCALED_CODES, SCALED_PADDING
from .finding_networks import (
    CAPPED,
    IMAGES,
    LONG_TAIL,
    MOSTLY_ZERO,
    RNG,
    TWO,
    X,
    Y,
    adapted,
    branched,
    convolution,
    dense,
    embedding,
    minmax,
    mlp,
    net,
    no,
    of_x,
    of_y,
    recurrent,
    standard,
    trained_on,
    two_outputs,
    yes,
)
from .finding_targets import OF_TARGETS

CASES = [
    *yes(
        "SKS001",
        sigmoid_standard=lambda: of_y(mlp("sigmoid"), standard(Y)),
        sigmoid_standard_without_data=lambda: of_y(mlp("sigmoid"), standard(Y), None),
        softmax_standard=lambda: of_y(net(dense(2, "softmax")), standard(TWO), TWO),
        relu_standard=lambda: of_y(mlp("relu"), preprocessing.StandardScaler().fit(Y)),
        tanh_standard=lambda: of_y(mlp("tanh"), standard(Y)),
        recurrent_standard=lambda: of_y(recurrent(1), standard(Y)),
        layer_behind=lambda: of_y(
            net(dense(2), keras.layers.Activation("sigmoid"), keras.layers.Reshape((2, 1))),
            standard(TWO),
            TWO,
        ),
        nested=lambda: of_y(net(dense(4), net(dense(1, "sigmoid"), shape=(4,))), standard(Y)),
        each_step=lambda: of_y(
            net(keras.layers.TimeDistributed(dense(1, "relu")), shape=(5, 3)),
            standard(RNG.normal(size=(30, 5, 1))),
            RNG.normal(size=(30, 5, 1)),
        ),
        tanh_raw=lambda: of_y(mlp("tanh"), None),
        unbuilt=lambda: of_y(keras.Sequential([dense(), dense(1, "sigmoid")]), standard(Y)),
        sigmoid_wide_range=lambda: of_y(mlp("sigmoid"), minmax(Y, -1), None),
    ),
    *no(
        "SKS001",
        linear=lambda: of_y(mlp(), standard(Y)),
        sigmoid_minmax=lambda: of_y(mlp("sigmoid"), minmax(Y)),
        tanh_maxabs=lambda: of_y(mlp("tanh"), MaxAbsScaler().fit(Y)),
        relu_raw_counts=lambda: of_y(mlp("relu"), None, np.arange(200.0)),
        relu_minmax=lambda: of_y(mlp("relu"), minmax(Y)),
        leaky=lambda: of_y(mlp("leaky_relu"), standard(Y)),
        linear_behind=lambda: of_y(
            net(dense(1, "sigmoid"), keras.layers.Rescaling(500.0)), standard(Y)
        ),
        linear_behind_tanh=lambda: of_y(
            net(keras.layers.LSTM(4), dense(), shape=(5, 3)), standard(Y)
        ),
        classes=lambda: of_y(net(dense(3, "softmax")), None, np.arange(200) % 3),
        two_classes=lambda: of_y(mlp("sigmoid"), None, np.arange(200) % 2),
        classes_by_loss=lambda: of_y(
            net(dense(3, "sigmoid"), loss="sparse_categorical_crossentropy"), None, np.arange(9)
        ),
        own_activation=lambda: of_y(mlp(lambda x: 3 * x), standard(Y)),
    ),
    *yes(
        "SKS002",
        sigmoid=lambda: of_y(mlp("sigmoid"), minmax(Y), None),
        tanh=lambda: of_y(mlp("tanh"), minmax(Y, -1)),
    ),
    *no(
        "SKS002",
        sigmoid=lambda: of_y(mlp("sigmoid"), minmax(Y, 0.1, 0.9)),
        tanh=lambda: of_y(mlp("tanh"), minmax(Y, -0.9, 0.9)),
        linear=lambda: of_y(mlp(), minmax(Y)),
        classes=lambda: of_y(mlp("sigmoid"), None, np.arange(200) % 2),
    ),
    *yes("SKS003", minmax=lambda: of_y(net(dense(4), dense(use_bias=False)), minmax(Y))),
    *no(
        "SKS003",
        centred=lambda: of_y(net(dense(4), dense(use_bias=False)), standard(Y)),
        bias=lambda: of_y(mlp(), minmax(Y)),
        none_at_all=lambda: of_y(net(dense(use_bias=False)), minmax(Y)),
        sigmoid=lambda: of_y(net(dense(4), dense(1, "sigmoid", use_bias=False)), minmax(Y)),
        normalised_behind=lambda: of_y(
            net(dense(4), dense(use_bias=False), keras.layers.BatchNormalization()), minmax(Y)
        ),
    ),
    *yes(
        "SKS004",
        targets=lambda: of_y(net(dense(use_bias=False)), None),
        inputs=lambda: of_x(net(dense(4, "relu", use_bias=False), dense(use_bias=False)), None),
        branches=lambda: of_y(branched(use_bias=False), minmax(Y)),
        recurrent=lambda: of_y(recurrent(1, use_bias=False), minmax(Y)),
    ),
    *no(
        "SKS004",
        bias=lambda: of_x(mlp(), None),
        centred=lambda: {
            **of_y(net(dense(use_bias=False)), standard(Y)),
            "input_scaler": standard(X),
            "X": X,
        },
        branches=lambda: of_y(branched(use_bias=True), minmax(Y)),
        sigmoid_hidden=lambda: of_y(
            net(dense(4, "sigmoid", use_bias=False), dense(use_bias=False)), minmax(Y)
        ),
        embedding=lambda: of_y(embedding(), minmax(Y)),
    ),
    *yes(
        "SKS005",
        batch_norm=lambda: of_x(net(keras.layers.BatchNormalization(), dense()), standard(X)),
        batch_norm_without_data=lambda: of_x(
            net(keras.layers.BatchNormalization(), dense()), minmax(X), None
        ),
        adapted=lambda: of_x(net(adapted(standard(X).transform(X)), dense()), standard(X)),
        nested=lambda: of_x(
            net(net(keras.layers.BatchNormalization(), dense(4)), dense()), standard(X)
        ),
    ),
    *no(
        "SKS005",
        no_scaler=lambda: of_x(net(keras.layers.BatchNormalization(), dense()), None),
        adapted_alone=lambda: of_x(net(adapted(X), dense()), None),
        later=lambda: of_x(net(dense(4), keras.layers.BatchNormalization(), dense()), standard(X)),
        not_adapted=lambda: of_x(
            net(keras.layers.Normalization(mean=0.0, variance=1.0), dense()), standard(X)
        ),
    ),
    *yes(
        "SKS006",
        rescaling=lambda: of_x(
            convolution(keras.layers.Rescaling(1 / 255)), minmax(IMAGES), IMAGES
        ),
        rescaling_by_hand=lambda: of_x(
            convolution(keras.layers.Rescaling(1 / 255)), None, IMAGES / 255
        ),
        adapted_to_raw=lambda: of_x(net(adapted(X), dense()), standard(X)),
        efficient_net=lambda: of_x(
            keras.applications.EfficientNetB0(
                weights=None, input_shape=(32, 32, 3), include_top=False
            ),
            minmax(IMAGES),
            np.tile(IMAGES, (1, 4, 4, 1)),
        ),
    ),
    *no(
        "SKS006",
        raw=lambda: of_x(convolution(keras.layers.Rescaling(1 / 255)), None, IMAGES),
        to_minus_one=lambda: of_x(
            convolution(keras.layers.Rescaling(2.0, offset=-1.0)), minmax(IMAGES), IMAGES
        ),
        adapted_raw=lambda: of_x(net(adapted(X), dense()), None),
        adapted_to_scaled=lambda: of_x(
            net(adapted(standard(X).transform(X)), dense()), standard(X)
        ),
    ),
    *yes(
        "SKS007",
        poisson=lambda: of_y(mlp(loss="poisson"), minmax(Y + 1000)),
        msle=lambda: of_y(mlp(loss=keras.losses.MeanSquaredLogarithmicError()), standard(Y)),
        mape=lambda: of_y(mlp(loss=keras.losses.mean_absolute_percentage_error), standard(Y), None),
        crossentropy=lambda: of_y(mlp("sigmoid", loss="binary_crossentropy"), standard(Y)),
        hinge=lambda: of_y(mlp(loss="squared_hinge"), standard(Y)),
        one_of_two=lambda: of_y(
            (network := two_outputs()).compile(loss={"a": "mse", "b": "poisson"}) or network,
            {"a": standard(Y), "b": standard(Y)},
            {"a": Y, "b": Y},
        ),
    ),
    *no(
        "SKS007",
        mse=lambda: of_y(mlp(loss="mse"), standard(Y)),
        poisson_of_ratios=lambda: of_y(mlp(loss="poisson"), MaxAbsScaler().fit(np.abs(Y))),
        poisson_raw=lambda: of_y(mlp(loss="poisson"), None, np.abs(Y)),
        crossentropy=lambda: of_y(mlp("sigmoid", loss="binary_crossentropy"), minmax(Y)),
        own=lambda: of_y(mlp(loss=lambda y, p: (y - p) ** 2), standard(Y)),
        not_compiled=lambda: of_y(mlp(), standard(Y)),
    ),
    *yes(
        "SKS008",
        columns=lambda: of_y(net(dense(2)), None, TWO),
        huber=lambda: of_y(net(dense(2), loss="huber"), None, TWO),
        outputs=lambda: of_y(two_outputs(), None, {"a": Y, "b": Y / 1000}),
    ),
    *no(
        "SKS008",
        scaled=lambda: of_y(net(dense(2)), standard(TWO), TWO),
        near=lambda: of_y(net(dense(2)), None, np.column_stack([Y, Y / 25])),
        constant=lambda: of_y(net(dense(2)), None, np.column_stack([Y, np.zeros(200)])),
        of_ratios=lambda: of_y(net(dense(2), loss="mape"), None, TWO),
        own_loss=lambda: of_y(net(dense(2), loss=lambda y, p: (y - p) ** 2), None, TWO),
        weighed=lambda: of_y(
            two_outputs(loss_weights={"a": 1.0, "b": 1e6}), None, {"a": Y, "b": Y / 1000}
        ),
        one_hot=lambda: of_y(net(dense(9, "softmax")), None, np.eye(9)[np.arange(200) ** 2 % 9]),
    ),
    *yes(
        "SKS009",
        ratio=lambda: of_x(mlp(), None, X * [1, 1e-3, 1]),
        large=lambda: of_x(mlp(), None, X * 1000),
        partly=lambda: of_x(mlp(), [StandardScaler().fit(X[:, :1]), None, None], X * [1, 1e3, 1]),
        windows=lambda: of_x(recurrent(4), None, np.ones((9, 5, 3)) * X[:9, None] * [1, 1, 1e-4]),
    ),
    *no(
        "SKS009",
        scaled=lambda: of_x(mlp(), standard(X * [1, 1e-3, 1]), X * [1, 1e-3, 1]),
        near=lambda: of_x(mlp(), None, X * [1, 1, 0.1]),
        rare_codes=lambda: of_x(
            mlp(), None, np.column_stack([X[:, 0], np.arange(200) == 5, np.arange(200) % 2])
        ),
        normalised=lambda: of_x(net(adapted(X * 1000), dense()), None, X * 1000),
        batch_norm=lambda: of_x(net(keras.layers.BatchNormalization(), dense()), None, X * 1000),
        batch_norm_behind=lambda: of_x(
            net(dense(4), keras.layers.BatchNormalization(), dense()), None, X * 1000
        ),
        codes=lambda: of_x(embedding(), None, RNG.integers(0, 9000, size=(50, 3))),
    ),
    *yes(
        "SKS010",
        images=lambda: of_x(convolution(), None, IMAGES),
        bytes=lambda: of_x(
            net(keras.layers.Flatten(), dense(), shape=(8, 8, 3)), None, IMAGES.astype(np.uint8)
        ),
        flat=lambda: of_x(mlp(), None, IMAGES[:, 0, 0].astype(np.uint8)),
    ),
    *no(
        "SKS010",
        scaled=lambda: of_x(convolution(), minmax(IMAGES), IMAGES),
        rescaled=lambda: of_x(convolution(keras.layers.Rescaling(1 / 255)), None, IMAGES),
        by_hand=lambda: of_x(convolution(), None, IMAGES / 255),
        few_levels=lambda: of_x(convolution(), None, IMAGES // 16),
        normalised=lambda: of_x(
            convolution(after=[keras.layers.BatchNormalization()]), None, IMAGES
        ),
        codes=lambda: of_x(embedding(), None, IMAGES[:, 0, 0].astype(np.uint8)),
        table=lambda: of_x(mlp(), None, IMAGES[:, 0, 0]),
    ),
    *yes(
        "SKS011",
        minus_one=lambda: of_x(trained_on(IMAGES / 127.5 - 1), minmax(IMAGES), IMAGES),
        bytes=lambda: of_x(trained_on(IMAGES), minmax(IMAGES), IMAGES),
    ),
    *no(
        "SKS011",
        as_trained=lambda: of_x(trained_on(IMAGES / 127.5 - 1), minmax(IMAGES, -1), IMAGES),
        trained_on_it=lambda: of_x(trained_on(IMAGES / 255), minmax(IMAGES), IMAGES),
        less_contrast=lambda: of_x(trained_on(IMAGES / 400 + 0.2), minmax(IMAGES), IMAGES),
        new=lambda: of_x(
            convolution(after=[keras.layers.BatchNormalization()]), minmax(IMAGES), IMAGES
        ),
    ),
    *yes(
        "SKS012",
        constant=lambda: of_x(mlp(), standard(X * [1, 0, 1]), X * [1, 0, 1]),
        nearly=lambda: of_x(net(dense(), shape=(1,)), None, np.eye(1000)[:, :1]),
    ),
    *no(
        "SKS012",
        varies=lambda: of_x(mlp(), standard(X), X),
        rare=lambda: of_x(net(dense(), shape=(1,)), None, np.eye(100)[:, :1]),
        one_row=lambda: of_x(mlp(), None, X[:1]),
    ),
    *yes(
        "SKS013",
        minmax=lambda: of_x(mlp(), minmax(LONG_TAIL), LONG_TAIL),
        maxabs=lambda: of_x(mlp(), preprocessing.MaxAbsScaler().fit(LONG_TAIL), LONG_TAIL),
        one_of_several=lambda: of_x(
            mlp(),
            [*(standard(X[:, [i]]) for i in range(2)), minmax(LONG_TAIL[:, [2]])],
            LONG_TAIL,
        ),
        targets=lambda: of_y(mlp(), minmax(LONG_TAIL[:, :1]), LONG_TAIL[:, :1]),
    ),
    *no(
        "SKS013",
        robust=lambda: of_x(mlp(), RobustScaler().fit(LONG_TAIL), LONG_TAIL),
        minmax=lambda: of_x(mlp(), minmax(X), X),
        log_normal=lambda: of_x(mlp(), minmax(np.exp(X / 10)), np.exp(X / 10)),
        rare_codes=lambda: of_x(mlp(), minmax(np.eye(200)[:, :3]), np.eye(200)[:, :3]),
        repeated=lambda: of_x(net(dense(), shape=(1,)), minmax(CAPPED), CAPPED),
        mostly_zero=lambda: of_x(
            net(dense(), shape=(1,)), MaxAbsScaler().fit(MOSTLY_ZERO), MOSTLY_ZERO
        ),
    ),
    *yes(
        "SKS014",
        raw=lambda: of_x(mlp(), None, X + 1e7),
        maxabs=lambda: of_x(mlp(), MaxAbsScaler().fit(X + 1e7), X + 1e7),
        comes_as_float32=lambda: of_x(
            mlp(), standard(X + 1e7), (X * [1, 10, 20] + 1e7).astype(np.float32)
        ),
        targets=lambda: of_y(mlp(), None, Y + 1e8),
    ),
    *no(
        "SKS014",
        standard=lambda: of_x(mlp(), standard(X + 1e7), X + 1e7),
        minmax=lambda: of_x(mlp(), minmax(X + 1e7), X + 1e7),
        near=lambda: of_x(mlp(), None, X + 1e4),
        constant=lambda: of_x(mlp(), None, X * [1, 0, 1] + [0, 1e9, 0]),
        targets=lambda: of_y(mlp(), standard(Y + 1e8), Y + 1e8),
    ),
    *yes(
        "SKS015",
        drift=lambda: {**of_x(mlp(), standard(X)), "X_val": np.add(X[:50], [0, 2, 0])},
        targets=lambda: {**of_y(mlp(), standard(Y)), "y_val": Y + 200},
    ),
    *no(
        "SKS015",
        part=lambda: {**of_x(mlp(), standard(X)), "X_val": X[:50]},
        same_kind=lambda: {
            **of_x(mlp(), standard(X)),
            "X_val": RNG.normal([30.0, 5.0, -2.0], [10.0, 1.0, 0.5], size=(200, 3)),
        },
    ),
    *yes(
        "SKS016",
        constraint=lambda: of_x(
            net(dense(4, kernel_constraint="max_norm"), dense()), standard(X), None
        ),
        last=lambda: of_y(net(dense(4), dense(kernel_regularizer="l2")), standard(Y)),
        optimizer=lambda: of_x(mlp(optimizer="adamw", loss="mse"), standard(X)),
    ),
    *no(
        "SKS016",
        no_scaler=lambda: of_x(net(dense(4, kernel_constraint="max_norm"), dense()), None),
        between=lambda: of_x(
            net(dense(4), dense(4, kernel_constraint="max_norm"), dense()), standard(X)
        ),
        adam=lambda: of_x(mlp(optimizer="adam", loss="mse"), standard(X)),
    ),
    *OF_TARGETS,
    *yes("SKS024", **SCALED_CODES),
    *no("SKS024", **CODES_AS_THEY_ARE),
    *yes("SKS025", **SCALED_PADDING),
    *no("SKS025", **PADDING_AS_IT_IS),
]

TABLE = Path(__file__).parents[1] / "docs" / "findings.md"
_HEAD = """\
# What `check_scaling` finds

Written by `python -m tests.findings`; a test compares it with what there is. A code keeps its
meaning. `fit` raises the severe ones together as one `ScalingWarning`; all are in the estimator's
`findings_` and in what `check_scaling` returns, each with its layer and what was measured. Silence
one by `ignore_findings=("SKS009",)`, or `ignore=` of `check_scaling`.

| code | severity | what is wrong | what to do |
| --- | --- | --- | --- |
"""


def table() -> str:
    """Return the page."""
    rows = [
        f"| `{code}` | {'severe' if k.is_severe else 'advice'} | {k.problem} | {k.remedy} |"
        for code, k in KINDS.items()
    ]
    return _HEAD + "\n".join(rows) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table())
