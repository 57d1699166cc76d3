"""Fits a scaler on a cluster of two processes while one is killed; run by test_distributed.py."""

import os
import signal
import sys
import threading
import time


def slowly(block):
    time.sleep(0.05)
    return block


def main():
    import dask
    import dask.array as da
    import numpy as np
    from distributed import Client, LocalCluster

    from sklearn_keras_scaling import StandardScaler

    X = np.random.default_rng(0).normal(1e4, 1, size=(1000, 5)).astype(np.float32)
    data = da.from_array(X, chunks=(20, 5)).map_blocks(slowly)
    with dask.config.set(scheduler="synchronous"):
        expected = StandardScaler().fit(data)
    cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
    with cluster, Client(cluster) as client:
        first, second = client.run(os.getpid).values()
        threading.Timer(0.6, os.kill, (first, signal.SIGKILL)).start()
        found = StandardScaler().fit(data)
        client.wait_for_workers(2, timeout=30)
        workers = client.run(lambda: (os.getpid(), {"keras", "tensorflow"} & set(sys.modules)))
    pids, imported = zip(*workers.values(), strict=True)
    assert first not in pids, "no worker was killed"
    assert second in pids
    for name in ("mean_", "var_", "scale_"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name))
    assert imported == (set(), set())
    print("the same bits")


if __name__ == "__main__":
    main()
