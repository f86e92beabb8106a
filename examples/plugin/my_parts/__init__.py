"""Parts for blackbox-dft: an estimator, a space, an objective, a target, a data layout and a profile."""
