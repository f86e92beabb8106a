"""A loss: the probability of the wrong labels."""

import numpy as np


def miss(probabilities, labels):
    """Probability of the wrong labels together."""
    return 1 - probabilities[np.arange(len(labels)), labels]
