"""`counted`: a number with its noun. Pure."""


def counted(number: int, noun: str, plural: str = "", more: bool = False) -> str:
    """
    Return *number* with *noun*, in the plural unless there is one. There are *more* if they were not counted to the end.

    >>> counted(1, "message"), counted(2, "message"), counted(0, "process", "processes"), counted(10_000, "message", more=True)
    ('1 message', '2 messages', '0 processes', 'more than 10000 messages')
    """
    text = f"{number} {noun if number == 1 and not more else plural or noun + 's'}"
    return f"more than {text}" if more else text
