"""
A site with FastAPI that builds reports in the background.

``uvicorn examples.fastapi.site:site`` serves it at http://127.0.0.1:8000. It needs ``pip install fastapi uvicorn 'fq[web]'``. A worker runs inside of the
server; ``fq worker examples.fastapi.tasks:app`` starts more.
"""
