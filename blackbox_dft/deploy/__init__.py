"""Deployment: the learned change as a file, changed images, and a server of models."""
