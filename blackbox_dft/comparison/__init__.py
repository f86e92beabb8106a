"""Comparison of estimators and spaces on one model and one data set: grid, cost, runs, results."""
