"""`Injected`: the default of a parameter that a worker fills with a resource. ``fq.resources`` makes it and resolves it."""

from attrs import frozen


@frozen
class Injected:
    """Marks a parameter that no call passes. *resource* is the resource that it names; None: the annotation or the name of the parameter says which."""

    resource: object = None

    def __repr__(self) -> str:
        return "injected()" if self.resource is None else f"injected({self.resource})"
