"""
A site with Flask and Flask-SQLAlchemy that counts words in the background.

``flask --app examples.flask.site run`` serves it, and ``flask --app examples.flask.site fq worker`` runs its tasks. It needs ``pip install
flask-sqlalchemy``.
"""
