"""
Middleware just inside or just outside of another: as an edit of a stack, which is a value, and as on the page.

It prints::

    fq's own: Retries, AnotherMiddleware, TimeLimit, CustomMiddleware, CurrentMessage
    class style: AnotherMiddleware, Retries, TimeLimit, CustomMiddleware, CurrentMessage
    StackError: no Prometheus in this stack; it has Retries, TimeLimit, CurrentMessage
"""

from fq import App, Prometheus, Retries, Stack, StackError, TimeLimit, class_style, compose, current_message, hooks, retries, time_limit

base = compose(retries(), time_limit(), current_message())


class CustomMiddleware(class_style.Middleware):
    def before_process_message(self, broker: class_style.BrokerView, message: class_style.MessageView) -> None: ...


class AnotherMiddleware(class_style.Middleware):
    def before_process_message(self, broker: class_style.BrokerView, message: class_style.MessageView) -> None: ...


def names(stack: Stack) -> str:
    return ", ".join(layer.matched_class.__name__ for layer in stack)


# fq's own: an edit returns a new stack. Outside and inside are positions; before and after are times.
edited = base.inside(TimeLimit, hooks(CustomMiddleware())).outside(TimeLimit, hooks(AnotherMiddleware()))
app = App("memory://", middleware=edited)

# The page's, for set-up code that is given a broker.
other = App("memory://", middleware=base)
broker = other.singleton(class_style.BrokerView)
broker.add_middleware(CustomMiddleware(), after=TimeLimit)
broker.add_middleware(AnotherMiddleware(), before=Retries)

if __name__ == "__main__":
    print("fq's own:", names(app.stack))
    print("class style:", names(other.stack))
    try:
        base.outside(Prometheus, hooks(CustomMiddleware()))
    except StackError as error:
        print(f"StackError: {error}")
