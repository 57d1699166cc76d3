"""Which runs of ``.ci/run`` take which tests: conftest.py marks them by these tables.

The main run takes all. The others take what can fail there and nowhere else, so that nothing is
repeated for its own sake. Files and tests are named without "test_"; a name stands for all that
begin with it, and a regular expression behind "[" for some of its parameters. A mark at a test puts
it into a run as well.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Tests:
    """Some tests of a file, or all but some."""

    names: tuple[str, ...]
    are_meant: bool = True

    def have(self, name: str) -> bool:
        return any(_begins(name, each) for each in self.names) is self.are_meant


def _begins(name: str, start: str) -> bool:
    function, _, given = name.partition("[")
    start, _, parameters = start.partition("[")
    return function.startswith(f"test_{start}") and re.search(parameters, given) is not None


def only(*names: str) -> Tests:
    return Tests(names)


def but(*names: str) -> Tests:
    return Tests(names, are_meant=False)


ALL = but()

#: Keras's backend computes what is tested: the run with JAX takes it, and that with PyTorch. What
#: is left out is the same under each: what the host computes, what is read from a graph or
#: refused, networks of Keras's own, and what has nothing of its own beside another that is tested.
BACKENDS = {
    "bridge": but("a_missing_backend", "axes_of_one_length"),
    "bridge_jumps": but("products_are_on_the_side", "numbers_near_a_jump"),
    "bridge_laws": but("the_host", "our_min_max", "pca_is_exact", "powers_near", "yeo_johnson"),
    "bridge_models": ALL,
    "certificates": ALL,
    "compositions": ALL,
    "distribution_losses": but(
        *("names_", "levels_", "scores_that", "outputs_of_another", "a_loss_is_that"),
        "metrics_are_in_target_units[-falling",
    ),
    "distribution_moments": ALL,
    "distributions": ALL,
    "domains": but("a_certificate_is_of"),  # near an end JAX's float32 is off by as much
    "fold": ALL,
    "fold_edges": but("scaling_that_is_not_read", "what_to_give", "all_regularizers"),
    "fold_models": but("a_refusal_names", "regularizers_are", "arguments_that", "the_report"),
    "from_keras": ALL,
    "labels": only(
        "labels_come_back[^(no axis|ordinal|columns with gaps|members)",
        *("steps_without", "labels_that_are", "a_batch_without"),
    ),
    "layers": ALL,
    "layers_instance": but("a_file_loads_where_the_layers_alone"),
    "layers_keras": but(
        "a_file_loads_where_the_layers_alone",
        # LocalNormalization computes what the others do.
        "the_output_shape_is_known_before[Mean|Deviation",
        "a_compiled_model_trains[False-Local(Mean|StandardDeviation)",
    ),
    "local_scaler": but(
        *("scikit_learns_checks", "any_window", "float32_is_computed", "samples_are", "bad_"),
        *("a_window_of_the_past", "a_table_", "what_fit_learns", "clones_"),
    ),
    "members": only("an_ensemble_is_one"),
    "missing_targets": but("losses_that_mix", "metrics_that_mix", "a_loss_is_written"),
    "squashing": only("a_graph_neither", "skrubs_scaler_has", "a_table_vectorizer"),
    "namespaces": ALL,
    "transformers": but("the_map_on_the_host", "the_table_in_the_docs"),
    "uncertainty": only(
        *("what_is_exported", "a_table_of_which", "a_distribution_of_ones", "a_statistic_of"),
        *("intervals_stay", "deviations_of_wide", "metrics_while"),
    ),
}

#: Networks are trained, in the loop that is compiled for JAX: the run with JAX takes these too.
JAX = {
    "auto_scaler": only("codes_pass", "without_codes", "training_goes"),
    "batchnorm": ALL,
    "checks": but("no_finding_on_stock_networks", "large_data_are_sampled"),
    "diverging": only(
        *("all_ways", "no_label_is", "rows_beyond", "what_diverged_is_not_exported[regressor"),
    ),
    "gaps": only(
        "scalers_losses", "a_batch_without", "validation_may", "partial_fit", "weights_of_o"
    ),
    "inputs": ALL,
    "labels": only("gaps_train", "ordinal_labels"),
    "members": only("the_first_member", "an_ensemble_that_is"),
    "mixed": only(
        "each_kind_may", "weights_of_targets", "it_learns", "training_goes", "one_export"
    ),
    "shared_loops": only("fits_of_a_distribution", "deltas_of_huber", "networks_with_names"),
    "training": but("every_epoch_has", "seeded_gives"),
    # Losses and clipping are arithmetic of Keras's, whatever loops over it.
    "training_compiled": but("weights_and_history[^(clipping|own_loss|convolution)"),
    "training_threads": only("eight_threads"),
    "uncertainty": only("a_plain_networks_mean"),
    "windows": but("windows_", "bad_"),
}

#: Beside what is skipped where there is no float64: tests that compute in the widest float there
#: is. What reads graphs or trains does it as in float32 on JAX, or as in float64 on TensorFlow.
X64 = {
    "bridge": BACKENDS["bridge"],
    "bridge_jumps": only("training_rows_are", "every_function_that", "the_inverse_of_codes"),
    "bridge_laws": only("gradients_of_powers"),
    "bridge_models": but("files_load_with_keras_alone_under_any_backend[tensorflow"),
    "certificates": only("the_bound_holds", "nan_is_no_number", "several_", "integer_inputs"),
    "compositions": only("sequences_and_", "integers_keep", "a_pair_", "or_one_named", "edges_"),
    "fold": only("scaling_of_inputs_moves", "scaling_of_outputs_moves"),
    "from_keras": only(
        "a_scaler_comes_back_to_the_bit[^shape0-", "any_data_come_back", "a_normalization_there"
    ),
    "layers": only("any_window_is", "masked_steps", "the_gradient_is_that_of[Normalization"),
    "layers_instance": only("raw_units_are_never", "there_and_back", "the_gradient_is_that_of"),
    "layers_keras": only("outputs_have_the_dtype", "integers_and_float64"),
    "local_scaler": only("the_model_is", "a_pipeline_with"),
    "squashing": only("a_graph_neither", "skrubs_scaler_has"),
    "namespaces": ALL,
    "transformers": only("the_graph_is", "the_inverse_is"),
}

#: The run at the lower bounds takes all but these. Others make the same calls of scikit-learn,
#: NumPy, Keras and TensorFlow: these ask what comes out of many fits, long ones or parallel ones.
ANY_VERSION = {
    "auto_scaler": only(
        *("a_network_learns", "a_search", "without_codes", "training_goes", "so_do_streams"),
        "columns_of_each[discretization",  # whose one-hot bins have the wrong shape in Keras 3.11
    ),
    "batchnorm": only("it_trains_as", "it_goes_on", "lag_is", "the_lag", "classifiers_and_"),
    "bridge": only("an_inverse_is_the_last", "a_pipeline_that_ends"),
    "bridge_jumps": only("certify_tries_jumps", "a_compiled_graph_says"),
    "bridge_laws": only("gradients_"),
    "checks": only("no_finding_on_stock", "the_default_", "large_data_are", "a_code_is_found"),
    "contract": only(
        *("recursive_feature", "sequential_feature", "learning_curve", "permutation_", "partial_"),
    ),
    "dataset_kinds": only(
        *("batches_have", "weights_of", "validation_rows_", "a_dataset_stops", "a_dataset_in_raw"),
    ),
    "datasets": only("a_batch_of_weight", "batches_without", "arrays_validate"),
    "distributed": only("dask_s_own"),
    "estimator_checks": only("default_"),
    "fold_models": only("a_regressor_folds", "a_refusal_names", "no_fold_costs", "beside_look"),
    "going_on": but("going_on_compiles"),
    "gaps": only(
        "streams_with", "known_scorers", "a_row_without", "ensembles_and", "weights_of_one"
    ),
    "holding_out": but("validation_", "splitters_"),
    "inputs": only("images_of", "named_inputs_each", "inputs_in_a_list"),
    "keras_surface": only(
        *("a_classifiers_metric", "frozen_layers", "early_stopping", "reduce_on", "a_schedule_"),
        *("a_train_step[keras", "mixed_float16[keras", "losses_weights_and[heads"),
    ),
    "labels": but("labels_come_back", "a_row_without", "sequences_in"),
    "layers": but("the_example", "masked_steps", "another_rank"),
    "layers_instance": only("a_forecaster", "the_gradient", "there_and_back", "a_file_loads"),
    "layers_keras": only("a_model_takes", "the_output_shape", "a_compiled_model[True"),
    "local_scaler": only("any_window", "a_file_loads"),
    "members": only("the_first_member", "an_ensemble_is_pickled", "an_ensemble_that_is"),
    "mixed": only("training_goes", "it_learns", "streams_equal"),
    "notebooks": ALL,
    "persistence": only("a_search_predicts", "copies_of"),
    "processes": but("a_forked_process", "same_scores"),
    "raw_units": only("so_it_is"),
    "real_data": ALL,
    "regressor": only(
        *("the_output_activation", "scaling_beats", "integer_weights", "warm_start", "a_row_is"),
        *("metrics_keep", "metrics_of_", "history_is", "targets_of_", "scalers_never"),
    ),
    "squashing": only("it_computes", "the_map_rises", "scaling_by_name", "predictions_beyond"),
    "targets": only(
        *("sequences_", "losses_in", "nonlinear", "several_labels", "one_mean", "correlations")
    ),
    "training_compiled": but(
        "weights_and_history[^(mlp|weighted|gru|several_outputs|own_step|averaging)]",
        *("callbacks_see", "the_progress_bar", "a_step_that"),
    ),
    "uncertainty": only("results_have", "what_is_exported", "a_plain_networks", "a_statistic_of"),
    "windows": but("windows_", "it_is_searched", "it_ships"),
}


def marks(item: Any) -> Iterator[str]:
    """Return the marks of a test, which name the runs beside the main one that take it."""
    file = item.path.stem.removeprefix("test_")
    has_backend = _are_in(BACKENDS, file, item)
    if has_backend:
        yield "backends"
    if _are_in(JAX, file, item):
        yield "jax"
    reasons = [mark.kwargs.get("reason", "") for mark in item.iter_markers("skipif")]
    if _are_in(X64, file, item) or (has_backend and any("float64" in each for each in reasons)):
        yield "x64"
    if not _are_in(ANY_VERSION, file, item):
        yield "versions"


def _are_in(table: dict[str, Tests], file: str, item: Any) -> bool:
    return file in table and table[file].have(item.name)
