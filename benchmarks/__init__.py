"""Benchmarks: ``python -m benchmarks [core] [sqlite] [redis]``. Figures are of one run on one machine; compare ratios, not absolute times."""
