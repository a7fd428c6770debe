"""psycopg 3: the ways it speaks to a server. Argument: the URL to connect to."""

import asyncio
import sys
import threading

import psycopg
from psycopg import ClientCursor, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

url, name = sys.argv[1:3]


def told(error: psycopg.Error) -> tuple[object, ...]:
    d = error.diag
    return d.sqlstate, d.message_primary, d.statement_position, d.constraint_name, d.table_name


def failing(connection: psycopg.Connection, text: str, arguments: object = None) -> None:
    try:
        connection.execute(text, arguments)
    except psycopg.Error as error:
        print(told(error), connection.info.transaction_status.name)


with psycopg.connect(url) as c:
    c.add_notice_handler(lambda d: print(d.severity, d.message_primary))
    c.execute("CREATE TABLE things (id serial PRIMARY KEY, a text, j jsonb, t text[], b bytea)")
    insert = "INSERT INTO things (a, j, t, b) VALUES (%s, %s, %s, %s) RETURNING id"
    row = ("é", Jsonb({"x": [1]}), ["p", 'q"'], b"\x00\xff")
    print(c.execute(insert, row).fetchall())
    cursor = c.cursor()
    cursor.executemany(insert, [row] * 5, returning=True)
    print([cursor.fetchall() for _ in cursor.results()], cursor.rowcount)
    for binary in (False, True):
        cursor = c.cursor(binary=binary, row_factory=dict_row)
        for _ in range(7):  # the fifth time on, prepared
            cursor.execute("SELECT * FROM things WHERE id = %s", (1,))
        print(cursor.fetchall(), cursor.description, cursor.statusmessage)
    c.commit()
    for text in ("SELECT nosuch", "SELEC 1", "SELECT 1/0", "INSERT INTO things (id) VALUES (1)"):
        failing(c, text)
        failing(c, "SELECT 1")
        c.rollback()
    failing(c, "SELECT %s::int", ("x",))
    c.rollback()
    with c.transaction():
        try:
            with c.transaction():
                c.execute("DELETE FROM things")
                c.execute("SELECT 1/0")
        except psycopg.errors.DivisionByZero as error:
            print(told(error))
    with c.cursor("named", scrollable=True) as server_side:
        server_side.itersize = 2
        server_side.execute("SELECT id FROM things ORDER BY id")
        print(server_side.fetchmany(2), list(server_side))
        server_side.scroll(0, mode="absolute")
        print(server_side.fetchone())
    print(ClientCursor(c).execute("SELECT %s; SELECT %s", ("it's", 2)).fetchall())
    c.commit()

    with c.pipeline() as pipeline:
        cursors = [c.execute("SELECT %s::int + 1 AS n", (n,)) for n in range(200)]
        pipeline.sync()
        print(sum(k.fetchone()[0] for k in cursors))
    try:
        with c.pipeline():
            c.execute("INSERT INTO things (a) VALUES ('lost')")
            c.execute("SELECT 1/0")
            c.execute("SELECT 1")
    except psycopg.Error as error:
        print(told(error))
    c.rollback()
    print(c.execute("SELECT count(*) FROM things").fetchone())

    for how in ("", " (FORMAT binary)"):
        with cursor.copy(f"COPY (SELECT id, a FROM things ORDER BY id) TO STDOUT{how}") as copy:
            print(b"".join(copy))
    with cursor.copy("COPY things (a, t) FROM STDIN") as copy:
        for n in range(1000):
            copy.write_row((f"row {n}", ["x"]))
    print(cursor.rowcount)
    with cursor.copy("COPY things (a, b) FROM STDIN (FORMAT binary)") as copy:
        copy.set_types(["text", "bytea"])
        copy.write_row(("bin", b"\x01"))
    print(cursor.rowcount)
    c.commit()
    try:
        with cursor.copy("COPY things (id, a) FROM STDIN") as copy:
            copy.write("1\tx\nnot a number\ty\n")
    except psycopg.Error as error:
        print(told(error), error.diag.context)
    c.rollback()
    try:
        with cursor.copy("COPY things (a) FROM STDIN") as copy:
            copy.write("x\n")
            raise ValueError
    except (ValueError, psycopg.errors.QueryCanceled) as error:
        print(type(error).__name__)
    c.rollback()
    c.execute("DO $$ BEGIN RAISE NOTICE 'noted'; END $$")
    c.commit()

    xid = c.xid(1, name, "branch")
    c.tpc_begin(xid)
    c.execute("INSERT INTO things (a) VALUES ('two phases')")
    c.tpc_prepare()
    with psycopg.connect(url) as other:
        (prepared,) = [x for x in other.tpc_recover() if x.gtrid == name]
        other.rollback()
        print(prepared.format_id, prepared.bqual, other.execute("TABLE things").rowcount)
        other.rollback()
    c.tpc_commit()
    c.tpc_begin(c.xid(2, name, "other branch"))
    c.execute("DELETE FROM things")
    c.tpc_rollback()
    print(c.execute("SELECT count(*) FROM things").fetchone())
    c.commit()

    c.autocommit = True
    c.execute(sql.SQL("LISTEN {}").format(sql.Identifier("News")))
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_notify('News', 'hello')")
    print([(n.channel, n.payload) for n in c.notifies(timeout=10, stop_after=1)])
    timer = threading.Timer(0.5, c.cancel_safe)
    timer.start()
    failing(c, "SELECT pg_sleep(20)")
    timer.join()
    c.execute("SET client_encoding TO 'LATIN1'")
    print(c.info.encoding, c.execute("SELECT %s", ("é",)).fetchone())
    print(c.execute("SHOW application_name").fetchone(), c.info.parameter_status("TimeZone"))


async def several() -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        async with connection.pipeline():
            found = [await connection.execute("SELECT %s::text", (n,)) for n in range(20)]
        print([await f.fetchone() for f in found][-1])
        async with connection.cursor().copy("COPY things (a) FROM STDIN") as copy:
            await copy.write_row(("async",))
        streamed = connection.cursor().stream("SELECT g FROM generate_series(1, 300) g")
        print(sum([row[0] async for row in streamed]))
        await connection.rollback()

    async def one(number: int) -> int:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            return (await (await connection.execute("SELECT %s::int", (number,))).fetchone())[0]

    print(await asyncio.gather(*map(one, range(10))))


asyncio.run(several())
