"""SQLAlchemy 2: ORM, reflection and streaming over both drivers. Argument: the URL."""

import asyncio
import datetime
import sys
import uuid

from sqlalchemy import (
    DateTime,
    ForeignKey,
    Index,
    MetaData,
    Text,
    create_engine,
    func,
    inspect,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    mapped_column,
    relationship,
    selectinload,
)

url = sys.argv[1]


class Base(DeclarativeBase):
    pass


class Parent(Base):
    __tablename__ = "parents"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    extra = mapped_column(JSONB)
    tags = mapped_column(ARRAY(Text))
    key = mapped_column(UUID)
    born: Mapped[datetime.datetime] = mapped_column(DateTime(timezone=True))
    children: Mapped[list["Child"]] = relationship(back_populates="parent")


class Child(Base):
    __tablename__ = "children"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent_id = mapped_column(ForeignKey("parents.id"))
    parent: Mapped[Parent] = relationship(back_populates="children")
    __table_args__ = (Index("children_parent", "parent_id"), {"comment": "of parents"})


def work(session: Session) -> None:
    born = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    for n in range(30):
        parent = Parent(name=f"n{n}", extra={"a": n}, tags=["x", str(n)], key=uuid.UUID(int=n))
        parent.born, parent.children = born, [Child() for _ in range(n % 3)]
        session.add(parent)
    session.flush()
    print(session.scalar(select(func.count()).select_from(Child)))
    loaded = select(Parent).options(selectinload(Parent.children)).order_by(Parent.id).limit(4)
    for p in session.scalars(loaded):
        print(p.id, p.name, p.extra, p.tags, p.key, p.born, len(p.children))
    upsert = insert(Parent).values(id=1, name="n0", born=born)
    session.execute(upsert.on_conflict_do_update(index_elements=["id"], set_={"name": "zz"}))
    for statement in ("SELECT 1/0", "SELECT nosuch FROM parents"):
        try:
            with session.begin_nested():
                session.execute(text(statement))
        except DBAPIError as error:
            print(type(error).__name__, str(error.orig).splitlines()[0])
    print(session.scalar(select(Parent.name).where(Parent.extra["a"].as_integer() == 0)))
    session.commit()


def reflect(connection: object) -> None:
    inspector = inspect(connection)
    for table in ("children", "parents"):
        print(inspector.get_columns(table), inspector.get_pk_constraint(table))
        print(inspector.get_foreign_keys(table), inspector.get_indexes(table))
        print(inspector.get_unique_constraints(table), inspector.get_check_constraints(table))
        print(inspector.get_table_comment(table))
    print(inspector.get_schema_names(), inspector.get_view_names(), inspector.get_sequence_names())
    metadata = MetaData()
    metadata.reflect(connection)
    print(sorted(metadata.tables))


engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
Base.metadata.create_all(engine)
with engine.connect() as connection:
    reflect(connection)
with Session(engine) as session:
    work(session)
with engine.connect().execution_options(stream_results=True, yield_per=10) as connection:
    print(sum(row[0] for row in connection.execute(select(Parent.id))))
Base.metadata.drop_all(engine)
engine.dispose()


async def over_asyncpg() -> None:
    engine = create_async_engine(url.replace("postgresql://", "postgresql+asyncpg://"))
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
        await connection.run_sync(reflect)
    async with AsyncSession(engine) as session:
        await session.run_sync(work)
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
    await engine.dispose()


asyncio.run(over_asyncpg())
