"""Puts the wall clock of a Python process off by FQ_CHAOS_CLOCK_OFF seconds. Each one imports this first that has the folder in its PYTHONPATH."""

import os
import time

if off := os.environ.get("FQ_CHAOS_CLOCK_OFF"):
    true_ns, off_ns = time.time_ns, int(off) * 1_000_000_000
    time.time_ns = lambda: true_ns() + off_ns
    time.time = lambda: time.time_ns() / 1_000_000_000
