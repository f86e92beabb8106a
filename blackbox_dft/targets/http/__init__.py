"""Scoring URLs: transport, protocols, profiles."""
