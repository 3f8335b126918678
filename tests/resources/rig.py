"""An app with resources that note what is done with them."""

from collections.abc import AsyncIterator, Callable, Iterator

from fq import App, Resource


class Rig:
    """An app, and *notes* of what is opened, run and closed, in order."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.notes: list[str] = []
        self.failures: dict[str, list[BaseException]] = {}

    def resource(self, name: str, scope: str = "message", *, is_async: bool = False) -> Resource[str]:
        """Declare a resource that notes what is done with it, and whose value is its name; what is in `failures` under its name it raises when opened."""
        return self.app.resource(scope=scope, name=name)(self.async_opener(name) if is_async else self.opener(name))

    def begin(self, name: str) -> None:
        """Note that *name* is opened, unless it fails."""
        if self.failures.get(name):
            raise self.failures[name].pop()
        self.notes.append(f"open {name}")

    def opener(self, name: str) -> Callable[[], Iterator[str]]:
        """Return the generator function of a resource."""

        def opener() -> Iterator[str]:
            self.begin(name)
            try:
                yield name
            except BaseException as error:
                self.notes.append(f"{name} saw {type(error).__name__}")
                raise
            finally:
                self.notes.append(f"close {name}")

        return opener

    def async_opener(self, name: str) -> Callable[[], AsyncIterator[str]]:
        """`opener`, for an async one."""

        async def opener() -> AsyncIterator[str]:
            self.begin(name)
            try:
                yield name
            except BaseException as error:
                self.notes.append(f"{name} saw {type(error).__name__}")
                raise
            finally:
                self.notes.append(f"close {name}")

        return opener
