"""`HOOK`: the names of the hooks of class-style middleware, which no layer may have."""

import re

_SUBJECT = "process_message|process_boot|skip_message|delay_message|enqueue|ack|nack|declare_(actor|queue|delay_queue)"
HOOK = re.compile(f"(before|after)_({_SUBJECT}|worker_(boot|shutdown)|(worker|consumer)_thread_(boot|shutdown))")
"""A layer with such a name was meant to derive from ``fq.class_style.Middleware``."""
