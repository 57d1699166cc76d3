"""What each library does: ``python benchmarks/parity.py`` writes ``benchmarks/PARITY.md``.

The behaviours that SciKeras and ``keras.wrappers`` test, and those that scaling adds, as small
checks that run against each library through an adapter: "yes", or "no" and what came instead.
``TransformedTargetRegressor`` is the usual way to scale around Keras: it stands around a pipeline
of ``StandardScaler`` and SciKeras. Needs ``pip install scikeras``.
"""

from __future__ import annotations

import contextlib
import copy
import io
import os
import pickle
import platform
import random
import re
import tempfile
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # before TensorFlow: its start-up log
os.environ["KERAS_BACKEND"] = "tensorflow"

import keras
import numpy as np
import pandas as pd
from _contract_checks import FEATURES, epochs_of, feature, learns, require_equal
from _peers import (
    LIBRARIES,
    RAW_X,
    RAW_Y,
    LackingError,
    X,
    Y,
    _KerasWrappers,
    compiled,
    require,
)
from _tables import markdown
from sklearn.metrics import r2_score
from sklearn.model_selection import (
    cross_val_predict,
)
from sklearn.preprocessing import PowerTransformer

PACKAGES = ("numpy", "scikit-learn", "keras", "tensorflow", "scikeras", "sklearn_keras_scaling")
PARITY = Path(__file__).with_name("PARITY.md")

# Scaling


@feature
def raw_units(lib: Any) -> None:
    """Learn targets of 1e6 ± 2e3 from inputs of 1e3 ± 5."""
    learns(lib, RAW_X, RAW_Y)


@feature
def nonlinear(lib: Any) -> None:
    """Scale targets by any transformer that is a parameter."""
    learns(lib, X, np.exp(Y / 3), target_scaler=PowerTransformer())


@feature
def held_out(lib: Any) -> None:
    """Keep validation rows from the scaler."""
    fitted = lib.fit(lib.regressor(validation_split=0.25), RAW_X, RAW_Y)
    require(lib.scaler(fitted).n_samples_seen_ == 60, "scaler has seen them")


@feature
def validation_scale(lib: Any) -> None:
    """Scale validation rows as training rows."""
    fitted = lib.fit(
        lib.regressor(optimizer="sgd", rate=0.0), RAW_X, RAW_Y, validation=(RAW_X, RAW_Y)
    )
    history = lib.history(fitted)
    require(history["loss"][0] < 1e3, "scales nothing")
    ratio = history["val_loss"][0] / history["loss"][0]
    require(abs(ratio - 1) < 1e-6, f"val_loss is {ratio:.0e} times loss on the same rows")


@feature
def metric_units(lib: Any) -> None:
    """Report metrics in target units."""
    fitted = lib.fit(lib.regressor(optimizer="sgd", rate=0.0, metrics=["mae"]), RAW_X, RAW_Y)
    history = lib.history(fitted)
    (name,) = set(history) - {"loss"}
    error = np.abs(np.ravel(fitted.predict(RAW_X)) - RAW_Y).mean()
    require(abs(history[name][0] / error - 1) < 1e-3, "in scaled units")


@feature
def one_file(lib: Any) -> None:
    """Ship one Keras file that takes and returns raw units."""
    fitted = lib.fit(lib.regressor(epochs=150, rate=0.05), RAW_X, RAW_Y)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        lib.export(fitted).save(path)
        found = keras.saving.load_model(path, compile=False).predict(RAW_X, verbose=0)
    score = r2_score(RAW_Y, np.ravel(found))
    require(score > 0.8, "its file does not predict raw units")


@feature
def stratified(lib: Any) -> None:
    """Stratify the validation split of a classifier."""
    y = np.r_[np.zeros(72, int), np.ones(8, int)]

    def share(y_true: Any, y_pred: Any) -> Any:
        return y_true[:, -1:]

    fitted = lib.fit(lib.classifier(validation_split=0.25, metrics=[share]), X, y)
    found = lib.history(fitted)["val_share"][0]
    require(abs(found - 0.1) < 0.01, f"{found:.0%} of a class of 10%")


# Keras's surface


@feature
def instances(lib: Any) -> None:
    """Serve several fits from one optimizer and loss object."""
    own = {"optimizer": keras.optimizers.Adam(0.05), "loss": keras.losses.Huber()}
    estimator = lib.regressor(epochs=3, **own)
    first = np.ravel(lib.fit(estimator, X, Y).predict(X))
    require_equal(np.ravel(lib.fit(estimator, X, Y).predict(X)), first, "second fit differs", 1e-5)


@feature
def given_model(lib: Any) -> None:
    """Leave a given keras.Model as it is."""
    model = compiled()
    before = [w.copy() for w in model.get_weights()]
    given = {} if isinstance(lib, _KerasWrappers) else {"optimizer": keras.optimizers.Adam(0.05)}
    lib.fit(lib.regressor(model=model, **given), X, Y)
    same = all((a == b).all() for a, b in zip(before, model.get_weights(), strict=True))
    require(same, "trains it")


@feature
def compile_keywords(lib: Any) -> None:
    """Hand keywords to compile."""
    fitted = lib.fit(lib.regressor(compile={"weighted_metrics": ["mae"]}), X, Y)
    require(len(lib.history(fitted)) == 2, "ignored")


@feature
def fit_keywords(lib: Any) -> None:
    """Hand keywords to fit."""
    options = {"epochs": 2, "validation_split": 0.2, "fit": {"validation_freq": 2}}
    found = lib.history(lib.fit(lib.regressor(**options), X, Y))
    require(len(found["val_loss"]) == 1, "ignored")


@feature
def callbacks(lib: Any) -> None:
    """Copy callbacks for each fit."""
    stop = keras.callbacks.EarlyStopping("loss", patience=0, min_delta=1e9)
    fitted = lib.fit(lib.regressor(epochs=9, callbacks=[stop]), X, Y)
    require(epochs_of(lib, fitted) == 2, "does not stop")
    require(stop.model is None, "uses the user's object")


@feature
def stops(lib: Any) -> None:
    """Stop early and restore the best weights by one parameter."""
    fitted = lib.fit(lib.regressor(epochs=300, rate=0.2, early_stopping=True), X, Y)
    require(epochs_of(lib, fitted) < 300, "does not stop")


@feature
def goes_on(lib: Any) -> None:
    """Go on by partial_fit."""
    fitted = lib.fit(lib.regressor(epochs=2), X, Y)
    require(hasattr(fitted, "partial_fit"), "no partial_fit")
    fitted.partial_fit(X, Y)
    require(int(lib.network(fitted).optimizer.iterations) == 3, "begins anew")


@feature
def warm(lib: Any) -> None:
    """Go on by warm_start."""
    estimator = lib.fit(lib.regressor(epochs=2, warm_start=True), X, Y)
    again = lib.fit(estimator, X, Y)
    require(int(lib.network(again).optimizer.iterations) == 4, "begins anew")


# Objects, random numbers, failures


@feature
def pickles(lib: Any) -> None:
    """Pickle and deep-copy to the same predictions."""
    fitted = lib.fit(lib.regressor(), X, Y)
    for other in (pickle.loads(pickle.dumps(fitted)), copy.deepcopy(fitted)):
        require_equal(other.predict(X), fitted.predict(X), "differs")


@feature
def seeded(lib: Any) -> None:
    """Repeat a fit to the bit by random_state."""
    found = []
    for seed in (1, 2):
        keras.utils.set_random_seed(seed)
        found.append(lib.regressor(epochs=3, random_state=0, batch_size=16).fit(X, Y).predict(X))
    require_equal(*found, "differs")


@feature
def global_states(lib: Any) -> None:
    """Leave the global random states alone."""
    keras.utils.set_random_seed(0)
    before = _states()
    lib.regressor(random_state=0, batch_size=16).fit(X, Y)
    require(_states() == before, "changes them")


def _states() -> tuple[Any, ...]:
    tf_state = keras.src.random.seed_generator.global_seed_generator().state
    return random.getstate(), np.random.get_state()[1].tolist(), np.asarray(tf_state).tolist()  # noqa: NPY002  # the legacy generator is the global one


@feature
def workers(lib: Any) -> None:
    """Predict the same bits at n_jobs=2."""
    estimator = lib.regressor(random_state=0)
    one, two = (cross_val_predict(estimator, X, Y, cv=2, n_jobs=n) for n in (1, 2))
    require_equal(one, two, "differs")


@feature
def threads(lib: Any) -> None:
    """Predict in threads."""
    fitted = lib.fit(lib.regressor(), X, Y)
    expected = fitted.predict(X)
    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(fitted.predict, [X] * 16):
            require_equal(found, expected, "differs")


@feature
def quiet(lib: Any) -> None:
    """Print nothing unless asked."""
    said = io.StringIO()
    keras.utils.enable_interactive_logging()
    try:
        with contextlib.redirect_stdout(said):
            lib.fit(lib.regressor(), X, Y).predict(X)
    finally:
        keras.utils.disable_interactive_logging()
    require(not said.getvalue(), "prints progress bars")


@feature
def bad_input(lib: Any) -> None:
    """Say in which row and column NaN is."""
    bad = pd.DataFrame(X, columns=list("abcd"))
    bad.loc[3, "c"] = np.nan
    try:
        lib.fit(lib.regressor(), bad, Y)
    except ValueError as error:
        require(re.search("row 3.*'c'", str(error)), "only that there is one")
        return
    raise AssertionError("trains on it")


@feature
def narrow(lib: Any) -> None:
    """Refuse a network with fewer outputs than targets."""
    several = np.c_[Y, -Y, Y]
    lib.fit(lib.regressor(model=lambda **_: compiled(3)), X, several)
    try:
        lib.fit(lib.regressor(model=lambda **_: compiled(1)), X, several)
    except ValueError:
        return
    raise AssertionError("trains against broadcast targets")


class _Fails(keras.callbacks.Callback):
    def __init__(self, error: type[BaseException], at: int) -> None:
        super().__init__()
        self.error, self.at = error, at

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if epoch == self.at:
            raise self.error


@feature
def failed_refit(lib: Any) -> None:
    """Keep the earlier fit when a later one fails."""
    fitted = lib.fit(lib.regressor(epochs=2), X, Y)
    expected = fitted.predict(X)
    fitted.set_params(**lib.set(epochs=2, callbacks=[_Fails(RuntimeError, 0)]))
    with contextlib.suppress(RuntimeError):
        lib.fit(fitted, 3 * X, Y)
    require_equal(fitted.predict(X), expected, "predicts otherwise")


@feature
def interrupted(lib: Any) -> None:
    """Be fitted after Ctrl-C."""
    estimator = lib.regressor(epochs=5, callbacks=[_Fails(KeyboardInterrupt, 2)])
    with contextlib.suppress(KeyboardInterrupt):
        lib.fit(estimator, X, Y)
    require(np.isfinite(estimator.predict(X)).all(), "no numbers")


def cell(check: Callable[[Any], Any], library: Any) -> str:
    """Return "yes", or "no" and what came instead."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            check(library)
    except (AssertionError, LackingError) as error:
        return f"no: {error}"
    except Exception as error:  # whatever a library raises is its answer
        return f"no: {type(error).__name__}: {_short(str(error))}"
    return "yes"


def _short(message: str) -> str:
    """Return the beginning of a message, without what differs from run to run."""
    text = " ".join((message.strip() or "no message").splitlines()[:1])
    text = re.sub(r"0x[0-9a-f]+|(?<!\w)/\S+|(?<=[a-z])_\d+", "", text).replace("|", "/")
    return text if len(text) <= 70 else f"{text[:70].rpartition(' ')[0]} …"


def report() -> str:
    """Run all checks and return the page."""
    rows = []
    for check in FEATURES:
        label = str(check.__doc__).removesuffix(".")
        cells = [cell(check, library) for library in LIBRARIES]
        print(f"{label}: {', '.join(cells)}", flush=True)
        rows.append([label, *cells])
    count = ["**yes**", *(str([row[i] for row in rows].count("yes")) for i in range(1, 5))]
    versions = ", ".join(f"{package} {version(package)}" for package in PACKAGES)
    return "\n\n".join(
        [
            "# What each library does",
            "Written by `python benchmarks/parity.py`, which holds the checks: each cell is what "
            "came when it ran. SciKeras and `keras.wrappers` stand alone; "
            "`TransformedTargetRegressor` stands around a pipeline of `StandardScaler` and "
            f"SciKeras. Python {platform.python_version()}, {versions}.",
            markdown(["feature", *(library.name for library in LIBRARIES)], [*rows, count]),
        ]
    )


def main() -> None:
    """Run all and write the table."""
    keras.utils.disable_interactive_logging()  # keras.wrappers has no verbose
    warnings.simplefilter("ignore")  # of libraries on another's version
    text = report()
    print(text)
    PARITY.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
