"""
The page's careful order of middleware, and the error for a wrong order.

It prints::

    Prometheus(http_host='127.0.0.1', http_port=9191)
      AgeLimit()
        TimeLimit(time_limit=600000, interval=1000)
          Results(store_results=True, result_ttl=600000)
            Retries(max_retries=20, min_backoff=15000, max_backoff=604800000)
              Callbacks()
                Pipelines(pipe_ignore=False)
                  actor

    AgeLimit must be outside Retries: an expired message must not be retried
    Retries(max_retries=20, min_backoff=15000, max_backoff=604800000)
      AgeLimit()
        actor
"""

from fq import App, StackError, age_limit, callbacks, compose, pipelines, prometheus, results, retries, time_limit

# Careful ordering for proper functionality: the outermost first
middleware = compose(
    prometheus(),  # Metrics first
    age_limit(),  # Filter old messages early
    time_limit(),  # Set time limits
    results(),  # Store results before retries
    retries(),  # Retry logic
    callbacks(),  # Callbacks after retries
    pipelines(),  # Pipeline support
)
app = App("memory://", middleware=middleware)

if __name__ == "__main__":
    print(app.stack)
    print()
    try:
        compose(retries(), age_limit())
    except StackError as error:
        print(error)
