"""Cases of ``check_scaling`` for networks that look up codes, cut numbers or mask padding."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pandas as pd
from keras import layers
from sklearn.compose import ColumnTransformer
from sklearn.preprocessing import (
    FunctionTransformer,
    KBinsDiscretizer,
    OneHotEncoder,
    OrdinalEncoder,
)

from sklearn_keras_scaling import MaxAbsScaler, StandardScaler

from .finding_networks import dense, minmax, net, of_x, standard

_RNG = np.random.default_rng(3)
#: Two columns of numbers, then one of codes from 0 to 11.
MIXED = np.column_stack([_RNG.normal(30.0, 5.0, (200, 2)), _RNG.integers(0, 12, 200)])
CODES = MIXED[:, 2:]
TOKENS = _RNG.integers(0, 50, size=(60, 7))
AMOUNTS = _RNG.uniform(0.0, 100.0, size=(200, 1))
#: Series of which the last steps are padding.
PADDED = np.where(np.arange(8)[:, None] < 5, _RNG.normal(30.0, 5.0, (40, 8, 2)), 0.0)

FRAME = pd.DataFrame({"a": MIXED[:, 0], "code": CODES[:, 0], "kind": ["x", "y"] * 100})


def embedded(n: int = 12, **options: Any) -> Any:
    return net(layers.Embedding(n, 2, **options), layers.Flatten(), dense(), shape=(1,))


def alone(layer: Any) -> Any:
    return net(layer, dense(), shape=(1,))


def sliced(layer: Any, take: Any = lambda x: x[:, 2:3]) -> Any:
    """A network that gives a layer the last of three columns, and a Dense the others."""
    x = keras.Input((3,))
    of_codes = layers.Flatten()(layer(take(x)))
    return keras.Model(x, dense()(layers.Concatenate()([of_codes, dense(4)(x[:, :2])])))


def embedding() -> Any:
    return layers.Embedding(12, 2)


def one_hot(x: Any) -> Any:
    return keras.ops.one_hot(keras.ops.cast(x, "int32"), 12)


def lookup() -> Any:
    return layers.IntegerLookup(vocabulary=[*range(12)], output_mode="one_hot")


def bins(*boundaries: float) -> Any:
    return layers.Discretization(bin_boundaries=boundaries, output_mode="one_hot")


def two_inputs() -> Any:
    x = {"site": keras.Input((1,), name="site"), "size": keras.Input((2,), name="size")}
    of_site = layers.Flatten()(embedding()(x["site"]))
    return keras.Model(x, dense()(layers.Concatenate()([of_site, x["size"]])))


def side_by_side() -> Any:
    """A network that joins its inputs, and then splits them again."""
    x = {"site": keras.Input((1,), name="site"), "size": keras.Input((2,), name="size")}
    size, site = keras.ops.split(layers.Concatenate()([x["size"], x["site"]]), [2], axis=1)
    return keras.Model(
        x, dense()(layers.Concatenate()([layers.Flatten()(embedding()(site)), size]))
    )


def crossed() -> Any:
    x = keras.Input((3,))
    pair = (keras.ops.cast(x[:, 2:3], "int64"), keras.ops.cast(x[:, 2:3], "int64"))
    return keras.Model(x, dense()(layers.HashedCrossing(9, output_mode="one_hot")(pair)))


def masked(value: float = 0.0) -> Any:
    return net(layers.Masking(value), layers.LSTM(2), dense(), shape=(8, 2))


def of_two(site: Any, size: Any, make: Any = two_inputs) -> dict[str, Any]:
    X = {"site": CODES, "size": MIXED[:, :2]}
    return of_x(make(), {"site": site, "size": size}, X)


def of_mixed(network: Any, scaler: Any = None, data: Any = MIXED) -> dict[str, Any]:
    return of_x(network, standard(data) if scaler is None else scaler, data)


def columns(*steps: tuple[str, Any, list[int]]) -> Any:
    return ColumnTransformer(list(steps)).fit(MIXED)


SCALED_CODES = {
    "embedding": lambda: of_x(embedded(), standard(CODES), CODES),
    "embedding_minmax": lambda: of_x(embedded(), minmax(CODES), CODES),
    "embedding_maxabs": lambda: of_x(embedded(), MaxAbsScaler().fit(CODES), CODES),
    "tokens": lambda: of_x(
        net(layers.Embedding(50, 2), layers.GlobalAveragePooling1D(), dense(), shape=(7,)),
        *(standard(TOKENS), TOKENS),
    ),
    "integer_lookup": lambda: of_x(alone(lookup()), standard(CODES), CODES),
    "hashing": lambda: of_x(
        alone(layers.Hashing(30, output_mode="one_hot")), standard(CODES), CODES
    ),
    "category_encoding": lambda: of_x(
        alone(layers.CategoryEncoding(12, output_mode="one_hot")), standard(CODES), CODES
    ),
    "hashed_crossing": lambda: of_mixed(crossed()),
    "one_hot_operation": lambda: of_mixed(sliced(one_hot)),
    "discretization": lambda: of_x(alone(bins(25.0, 50.0, 75.0)), standard(AMOUNTS), AMOUNTS),
    "discretization_near": lambda: of_x(
        alone(bins(0.2, 0.4, 0.6)), standard(AMOUNTS / 100), AMOUNTS / 100
    ),
    "sliced": lambda: of_mixed(sliced(embedding())),
    "cast": lambda: of_mixed(sliced(embedding(), lambda x: keras.ops.cast(x[:, 2:3], "int32"))),
    "taken": lambda: of_mixed(
        sliced(embedding(), lambda x: keras.ops.take(x, np.array([2]), axis=1))
    ),
    "one_column": lambda: of_mixed(
        sliced(embedding(), lambda x: keras.ops.expand_dims(x[:, 2], 1))
    ),
    "split": lambda: of_mixed(sliced(embedding(), lambda x: keras.ops.split(x, [2], axis=-1)[1])),
    "reshaped": lambda: of_mixed(
        sliced(embedding(), lambda x: layers.Reshape((1,))(layers.Permute((1,))(x)[:, 2]))
    ),
    "behind_arithmetic": lambda: of_mixed(
        sliced(layers.Embedding(13, 2), lambda x: keras.ops.maximum(x[:, 2:3] + 1, 0))
    ),
    "named_input": lambda: of_two(standard(CODES), standard(MIXED[:, :2])),
    "inputs_joined_and_split": lambda: of_two(
        standard(CODES), standard(MIXED[:, :2]), side_by_side
    ),
    "inputs_in_a_list": lambda: of_x(
        keras.Model(
            (both := [keras.Input((1,)), keras.Input((2,))]),
            [layers.Concatenate()([layers.Flatten()(embedding()(both[0])), both[1]])],
        ),
        [standard(CODES), standard(MIXED[:, :2])],
        [CODES, MIXED[:, :2]],
    ),
    "nested": lambda: of_mixed(net(sliced(embedding()), dense())),
    "deep": lambda: of_mixed(
        sliced(net(net(embedding(), shape=(1,)), layers.Dropout(0.1), shape=(1,)))
    ),
    "each_step": lambda: of_x(
        net(
            layers.TimeDistributed(layers.Embedding(50, 2)), layers.Flatten(), dense(), shape=(7, 1)
        ),
        *(standard(TOKENS[..., None]), TOKENS[..., None]),
    ),
    "moved_by_a_list": lambda: of_mixed(
        sliced(embedding()), [None, None, StandardScaler().fit(CODES)]
    ),
    "moved_by_a_transformer": lambda: of_mixed(
        sliced(embedding()),
        columns(("rest", "passthrough", [0, 1]), ("codes", StandardScaler(), [2])),
    ),
    "other_codes_than_it_has": lambda: of_x(
        alone(layers.IntegerLookup(vocabulary=[*range(100, 112)], output_mode="one_hot")),
        *(OrdinalEncoder().fit(CODES + 100), CODES + 100),
    ),
}

CODES_AS_THEY_ARE = {
    "unscaled": lambda: of_x(embedded(), None, CODES),
    "without_data": lambda: of_x(embedded(), standard(CODES), None),
    "identity": lambda: of_x(embedded(), FunctionTransformer().fit(CODES), CODES),
    "unscaled_column": lambda: of_mixed(
        sliced(embedding()), [StandardScaler().fit(CODES), StandardScaler().fit(CODES), None]
    ),
    "passed_through": lambda: of_mixed(
        sliced(embedding()),
        columns(("rest", StandardScaler(), [0, 1]), ("codes", "passthrough", [2])),
    ),
    "passed_and_moved": lambda: of_mixed(
        sliced(bins(3.0, 6.0), lambda x: x[:, :1]),
        columns(("codes", "passthrough", [2]), ("rest", StandardScaler(), [0, 1])),
    ),
    "encoded": lambda: of_x(embedded(), OrdinalEncoder().fit(CODES * 10), CODES * 10),
    "cut_by_a_scaler": lambda: of_x(
        embedded(5), KBinsDiscretizer(5, encode="ordinal").fit(AMOUNTS), AMOUNTS
    ),
    "encoded_text": lambda: of_x(
        net(embedding(), layers.Flatten(), dense(), shape=(2,)),
        ColumnTransformer(
            [("text", OrdinalEncoder(), ["kind"]), ("code", "passthrough", ["code"])]
        ).fit(FRAME),
        FRAME,
    ),
    "one_hot_by_a_scaler": lambda: of_x(
        net(dense(4), dense(), shape=(13,)),
        ColumnTransformer(
            [("code", OneHotEncoder(sparse_output=False), ["code"])], remainder="passthrough"
        ).fit(FRAME[["a", "code"]]),
        FRAME[["a", "code"]],
    ),
    "of_another_column": lambda: of_mixed(
        sliced(embedding()), [StandardScaler().fit(CODES), None, None]
    ),
    "named_input": lambda: of_two(None, standard(MIXED[:, :2])),
    "cut_in_scaled_space": lambda: of_x(alone(bins(-1.0, 0.0, 1.0)), standard(AMOUNTS), AMOUNTS),
    "brought_back": lambda: of_x(
        net(
            layers.Rescaling(11.0),
            *(embedding(), layers.Flatten(), dense()),
            shape=(1,),
        ),
        *(minmax(CODES), CODES),
    ),
    "codes_of_its_own": lambda: of_mixed(
        sliced(embedding(), lambda x: keras.ops.argmax(layers.Dense(12)(x), axis=-1)[:, None])
    ),
    "no_codes": lambda: of_mixed(net(dense(4, "relu"), dense())),
    "taken_of_a_table": lambda: of_mixed(
        sliced(
            embedding(),
            lambda x: keras.ops.take(
                np.arange(12.0, dtype="float32"), keras.ops.cast(dense(1)(x) > 0, "int32")
            ),
        )
    ),
}

SCALED_PADDING = {
    "beside_text": lambda: of_x(
        keras.Model(
            (both := {"a": keras.Input((8, 2), name="a"), "b": keras.Input((2,), name="b")}),
            layers.Concatenate()([layers.LSTM(2)(layers.Masking()(both["a"])), both["b"]]),
        ),
        {
            "a": standard(PADDED),
            "b": OneHotEncoder(sparse_output=False).fit(FRAME[["kind"]][:40]),
        },
        {"a": PADDED, "b": FRAME[["kind"]][:40]},
    ),
    "masking": lambda: of_x(masked(), standard(PADDED), PADDED),
    "another_value": lambda: of_x(masked(-1.0), standard(PADDED - 1), PADDED - 1),
    "minmax": lambda: of_x(masked(), minmax(PADDED - 40), np.where(PADDED == 0, 0, PADDED - 40)),
    "no_padding_yet": lambda: of_x(masked(), standard(PADDED + 1), PADDED + 1),
    "nested": lambda: of_x(net(masked(), dense(), shape=(8, 2)), standard(PADDED), PADDED),
    "one_feature": lambda: of_x(masked(), [StandardScaler().fit(PADDED[..., :1]), None], PADDED),
}

PADDING_AS_IT_IS = {
    "unscaled": lambda: of_x(masked(), None, PADDED),
    "maxabs": lambda: of_x(masked(), MaxAbsScaler().fit(PADDED), PADDED),
    "not_centred": lambda: of_x(masked(), StandardScaler(with_mean=False).fit(PADDED), PADDED),
    "what_it_becomes": lambda: of_x(masked(), minmax(PADDED - 1), PADDED - 1),
    "no_masking": lambda: of_x(
        net(layers.LSTM(2), dense(), shape=(8, 2)), standard(PADDED), PADDED
    ),
}
