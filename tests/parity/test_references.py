"""DenseNet-121 against two networks that nobody here wrote: Keras' and Gluon's own.

All in float64, with one set of weights whose every entry matters.
"""

import numpy as np
import pytest
from compare import FLOAT64
from frameworks import FRAMEWORKS
from measured import run

WHO_HAS_IT = {"Keras": "tensorflow", "Gluon": "mxnet"}


@pytest.fixture(scope="module")
def logits(tmp_path_factory):
    """For each framework, the logits of our network and of the one that it ships."""
    folder, found = tmp_path_factory.mktemp("references"), {}
    for framework in FRAMEWORKS:
        file = folder / f"{framework}.npz"
        run("references.py", framework, file, precision="float64")
        found[framework] = dict(np.load(file))
    return found


def difference(found, expected):
    assert found.shape == expected.shape == (1, 10)
    assert found.dtype == expected.dtype == np.float64
    return np.abs(found - expected).max() / np.abs(expected).max()


@pytest.mark.parametrize("mode", ["evaluation", "training"])
@pytest.mark.parametrize("reference", WHO_HAS_IT)
@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_the_same_logits(framework, reference, mode, logits):
    if WHO_HAS_IT[reference] not in FRAMEWORKS:
        pytest.skip(f"{reference} is not installed")
    theirs = logits[WHO_HAS_IT[reference]][f"{reference}, {mode}"]
    assert difference(logits[framework][f"ours, {mode}"], theirs) < FLOAT64


@pytest.mark.skipif("tensorflow" not in FRAMEWORKS, reason="Keras is not installed")
def test_keras_differs_by_its_epsilon(logits):
    """It adds 1.001e-5 to each variance, and we 1e-5, as Gluon and torchvision do.

    1e-8 more under a square root makes a channel of variance 1 smaller by 5e-9; 121
    layers, some of smaller variance, collect that to about 1e-7. The test above has the
    same network with its epsilon set to ours: what is left there is rounding.
    """
    found = logits["tensorflow"]
    error = difference(found["Keras as it is, evaluation"], found["ours, evaluation"])
    assert 1e-8 < error < 1e-6
