"""`printable` and `indented`: make foreign text safe for a terminal or a log. Pure."""


def printable(text: str, *, lines: bool = False) -> str:
    r"""
    Return *text* with invisible characters escaped, which could move the cursor or fake a line; *lines* keeps newlines and tabs.

    >>> print(printable("red\x1b[31m\nforged"))
    red\x1b[31m\nforged
    >>> print(printable("one\ntwo\r", lines=True))
    one
    two\r
    """
    if text.isprintable():
        return text
    kept = "\n\t" if lines else ""
    return "".join(each if each.isprintable() or each in kept else ascii(each)[1:-1] for each in text)


def indented(text: str) -> str:
    r"""
    Return *text* with all lines but the first indented, so that none of them looks like another record.

    >>> print(indented("one\ntwo"))
    one
      two
    """
    return text.replace("\n", "\n  ")
