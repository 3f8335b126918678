"""Pipelines and groups, as they travel in messages. Pure."""
