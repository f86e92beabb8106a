"""A space of one number: brighter or darker."""

import numpy as np

from blackbox_dft.spaces.base import Space


class Gain(Space):
    """One number: pixels times exp(.1 z)."""

    spec, size, names = "gain", 1, ("gain",)
    lower, upper = np.array([-8.0]), np.array([8.0])

    def initial(self):
        return np.zeros(1)

    def apply(self, images, z):
        z = np.clip(np.atleast_2d(z), self.lower, self.upper)
        factor = np.exp(0.1 * z).astype(np.float32)[:, :, None, None]
        return np.clip(images * factor, 0, 1)

    def graph(self, graph, planes, z):
        kept = graph.op("Clip", z, graph.constant(np.float32(-8)), graph.constant(np.float32(8)))
        factor = graph.op("Exp", graph.op("Mul", kept, graph.constant(np.float32(0.1))))
        column = graph.op("Reshape", factor, graph.constant(np.array([-1, 1, 1, 1])))
        product = graph.op("Mul", planes, column)
        return graph.op("Clip", product, graph.constant(np.float32(0)), graph.constant(np.float32(1)))


def gain(argument, shape, *, epsilon, channels, levels):
    return Gain()
