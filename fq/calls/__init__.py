"""The typed veneer: actors, calls of them, pipelines and groups, and the handles that sending returns."""
