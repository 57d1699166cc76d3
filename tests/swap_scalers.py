"""A pytest plugin: scikit-learn's own tests meet our scalers in place of scikit-learn's."""


def pytest_configure():
    import sklearn.preprocessing
    from sklearn.preprocessing import _data

    import sklearn_keras_scaling

    for name in ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"):
        for module in (sklearn.preprocessing, _data):
            setattr(module, name, getattr(sklearn_keras_scaling, name))
