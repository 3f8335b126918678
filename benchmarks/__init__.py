"""Benchmarks: ``python -m benchmarks [core] [sqlite] [redis]``. The figures are from one run on one machine: compare ratios, not absolute times."""
