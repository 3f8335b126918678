"""`without_password`: URLs as they may be shown, also where they are mistyped. Pure."""

import re

OPTIONS = re.compile(r"([\w.-]+=[^&]*)(&[\w.-]+=[^&]*)*")

SCHEME = re.compile(r"[A-Za-z][\w+.-]*(?::/+|//+)|")

PLAIN = re.compile(r"-?\d+(\.\d+)?|true|false|yes|no|none|optional|required", re.IGNORECASE)
"""Values of options that give nothing away, unless the option is a password by its name."""


def without_password(url: str) -> str:
    """
    Return *url* as it may be shown, also where its password has characters that should have been escaped, or it is no URL at all.

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
    # The last @ that may end a login, in case others are part of it.
    end = (place if OPTIONS.fullmatch(options) and "@" in place else rest).rfind("@")
    if end < 0:
        return scheme + _without_secret_options(rest)
    user, colon, _ = rest[:end].partition(":")
    return f"{scheme}{f'{user}:' if colon else ''}***{_without_secret_options(rest[end:])}"


def _without_secret_options(rest: str) -> str:
    """Return *rest*, what follows a login, without its fragment, and with only those values of options that give nothing away."""
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
