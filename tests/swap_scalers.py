"""A pytest plugin: scikit-learn's own tests meet our scalers in place of scikit-learn's."""

import sklearn.preprocessing
from sklearn.preprocessing import _data

import sklearn_keras_scaling

for _name in ("StandardScaler", "MinMaxScaler", "MaxAbsScaler", "RobustScaler"):
    for _module in (sklearn.preprocessing, _data):
        setattr(_module, _name, getattr(sklearn_keras_scaling, _name))
