"""`EqualByArguments`: makes exceptions values."""


class EqualByArguments:
    """The base of exceptions that are equal when type and arguments are."""

    args: tuple[object, ...]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EqualByArguments) and type(self) is type(other) and self.args == other.args

    def __hash__(self) -> int:
        return hash((type(self), self.args))
