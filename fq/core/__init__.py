"""The values that everything passes around: messages, outcomes, errors as data. Pure: no clock, no randomness, no input or output."""
