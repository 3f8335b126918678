"""The database of the site."""

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import orm


class Base(orm.DeclarativeBase):
    """The base of its tables."""


db = SQLAlchemy(model_class=Base)


class Document(Base):
    """A text, and how many words it has, once they are counted."""

    __tablename__ = "document"

    id: orm.Mapped[int] = orm.mapped_column(primary_key=True)
    text: orm.Mapped[str]
    words: orm.Mapped[int | None]
