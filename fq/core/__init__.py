"""The values of fq: messages, outcomes, events, errors as data. Pure: no clock, no randomness, no input or output."""
