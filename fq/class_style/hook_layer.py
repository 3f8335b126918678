"""`HookLayer`: the layer of a class-style middleware, as the modules see it that call its hooks. `Hooks` is that layer."""

from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

from fq.class_style.broker_view import BrokerView
from fq.class_style.hook_names import Hook

FailOpen: TypeAlias = bool | Literal["after"]


class HookLayer(Protocol):
    """A *middleware* with its *hooks*, and the settings under which they are called; `Hooks` documents them."""

    @property
    def middleware(self) -> object: ...

    @property
    def fail_open(self) -> FailOpen: ...

    @property
    def actor_options(self) -> Mapping[str, object]: ...

    @property
    def broker(self) -> BrokerView: ...

    @property
    def retried(self) -> bool: ...

    @property
    def hooks(self) -> Mapping[str, Hook]: ...
