"""``manage.py fq``."""
