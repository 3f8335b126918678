"""The settings and the URLs of the project."""
