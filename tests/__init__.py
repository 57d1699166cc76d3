"""Parameters that the tests share."""

#: Small and quick, and still good enough for scikit-learn's accuracy checks.
QUICK = {
    "hidden_layer_sizes": (16,),
    "epochs": 20,
    "batch_size": 256,
    "optimizer__learning_rate": 0.05,
    "random_state": 0,
}
ONE_EPOCH = {**QUICK, "epochs": 1}
