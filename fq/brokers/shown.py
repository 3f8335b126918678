"""`without_password`: URLs as they may be shown. Pure."""

import re

OPTIONS = re.compile(r"([\w.-]+=[^&]*)(&[\w.-]+=[^&]*)*")


def without_password(url: str) -> str:
    """
    Return *url* as it may be shown, also where its password has characters that should have been escaped.

    >>> without_password("redis://fq:secret@example.com:6379/0")
    'redis://fq:***@example.com:6379/0'
    >>> without_password("redis://:p@ss/wo?rd@example.com/0?sentinel_password=secret")
    'redis://:***@example.com/0?sentinel_password=***'
    """
    shown = re.sub(r"(?<=password=)[^&]*", "***", url)
    scheme, mark, rest = shown.partition("://")
    place, _, options = rest.partition("?")
    end = (place if OPTIONS.fullmatch(options) and "@" in place else rest).rfind(
        "@"
    )  # the last that may end a login, in case others are part of it
    if not mark or end < 0:
        return shown
    user, colon, _ = rest[:end].partition(":")
    return f"{scheme}://{user}{':***' if colon else ''}{rest[end:]}"
