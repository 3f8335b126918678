"""`without_password`: makes URLs safe to show, mistyped ones included. Pure."""

import re

OPTIONS = re.compile(r"([\w.-]+=[^&]*)(&[\w.-]+=[^&]*)*")

SCHEME = re.compile(r"[A-Za-z][\w+.-]*(?::/+|//+)|")

PLAIN = re.compile(r"-?\d+(\.\d+)?|true|false|yes|no|none|optional|required", re.IGNORECASE)
"""Option values that are safe to show, unless the name of the option says that it is a password."""


def without_password(url: str) -> str:
    """
    Return *url* without its secrets, even if its password has unescaped characters, or it is no valid URL.

    >>> without_password("redis://fq:secret@example.com:6379/0")
    'redis://fq:***@example.com:6379/0'
    >>> without_password("redis://:p@ss/wo?rd@example.com/0?sentinel_password=secret")
    'redis://:***@example.com/0?sentinel_password=***'
    >>> without_password("redis//secret@example.com?pasword=secret&socket_timeout=2")
    'redis//***@example.com?pasword=***&socket_timeout=2'
    """
    scheme = (SCHEME.match(url) or [""])[0]
    rest = url[len(scheme) :]
    place, _, options = rest.partition("?")
    # The last @ that may end a login: the password may contain others.
    end = (place if OPTIONS.fullmatch(options) and "@" in place else rest).rfind("@")
    if end < 0:
        return scheme + _without_secret_options(rest)
    user, colon, _ = rest[:end].partition(":")
    return f"{scheme}{f'{user}:' if colon else ''}***{_without_secret_options(rest[end:])}"


def _without_secret_options(rest: str) -> str:
    """Return *rest*, the part after a login, without its fragment and without option values that may be secret."""
    place, mark, options = rest.partition("?")
    place, has_fragment, _ = place.partition("#")
    fragment = "#***" if has_fragment else ""
    return f"{place}{fragment}{mark}{'&'.join(map(_option, options.split('&'))) if mark else ''}"


def _option(option: str) -> str:
    name, mark, value = option.partition("=")
    if not mark:
        return "***" if name else ""
    is_shown = "pass" not in name.lower() and (name.startswith("ssl_") or PLAIN.fullmatch(value))
    return option if is_shown else f"{name}=***"
