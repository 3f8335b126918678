"""
What the brokers in SQL databases decide: pure functions of rows that they have read. ``sqlite`` and ``postgres`` read the rows, and write what comes out.

- ``commits.py``: which commits of a turn are stale, and what the others do; ``groups.py``: which arrivals count, and which complete a group;
- ``unique_keys.py``: who holds a unique key, and who comes next; ``mark_sets.py``: which marks are set, and in which parts;
- ``counted.py``: what counters come to; ``statuses.py``: what rows say of a message.
"""
