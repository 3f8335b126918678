"""
A site with Litestar that adds numbers in the background.

``uvicorn examples.litestar.site:site`` serves it. It needs ``pip install litestar uvicorn 'fq[asgi]'``. A worker runs inside of the server.
"""
