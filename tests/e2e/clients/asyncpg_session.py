"""asyncpg: always binary, prepares everything. Argument: the URL to connect to."""

import asyncio
import datetime
import decimal
import io
import sys
import uuid

import asyncpg

url = sys.argv[1]


async def failing(connection: asyncpg.Connection, text: str, *arguments: object) -> None:
    try:
        print(await connection.fetch(text, *arguments))
    except asyncpg.PostgresError as error:
        print(error.sqlstate, error, error.detail, getattr(error, "position", None))


async def main() -> None:
    c = await asyncpg.connect(url)
    c.add_log_listener(lambda _, message: print(message.severity, message))
    await c.execute("CREATE TYPE pair AS (a int, b text); CREATE TYPE mood AS ENUM ('x', 'y')")
    await c.execute(
        "CREATE TABLE typed (id serial PRIMARY KEY, n numeric, u uuid, d date, "
        "ts timestamptz, i interval, a int[][], p pair, m mood, j jsonb, r int4range)"
    )
    now = datetime.datetime(2020, 2, 29, 12, tzinfo=datetime.UTC)
    values = (
        decimal.Decimal("1.50"),
        uuid.UUID(int=7),
        now.date(),
        now,
        datetime.timedelta(days=1, seconds=2),
        [[1, 2], [3, 4]],
        (1, "é"),
        "x",
        '{"k": 1}',
        asyncpg.Range(1, 5),
    )
    insert = (
        "INSERT INTO typed (n, u, d, ts, i, a, p, m, j, r) VALUES ($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)"
    )
    print(await c.execute(insert, *values))
    await c.executemany(insert, [values] * 50)
    print(await c.fetchrow("SELECT * FROM typed WHERE id = $1", 1))
    prepared = await c.prepare("SELECT id, p, m FROM typed WHERE id < $1 ORDER BY id")
    print(prepared.get_parameters(), [a.type.name for a in prepared.get_attributes()])
    print(await prepared.fetch(3), prepared.get_statusmsg())
    async with c.transaction(isolation="serializable", readonly=True):
        print(sum([r["id"] async for r in c.cursor("SELECT id FROM typed", prefetch=7)]))
        cursor = await c.cursor("SELECT id FROM typed ORDER BY id")
        await cursor.forward(3)
        print(await cursor.fetch(2))
    try:
        async with c.transaction():
            await c.execute("DELETE FROM typed")
            try:
                async with c.transaction():
                    await c.execute("SELECT 1/0")
            except asyncpg.DivisionByZeroError as error:
                print(error)
            raise ZeroDivisionError
    except ZeroDivisionError:
        print(await c.fetchval("SELECT count(*) FROM typed"))
    for text in ("SELECT nosuch", "SELEC 1", "SELECT 1/0", "INSERT INTO typed (id) VALUES (1)"):
        await failing(c, text)
    await failing(c, "SELECT $1::int + id FROM typed WHERE id = 1", 1)
    await c.execute("ALTER TABLE typed ADD COLUMN late text DEFAULT 'l'")
    print(await c.fetchrow("SELECT late FROM typed WHERE id = $1", 1))
    await failing(c, "SELECT * FROM typed WHERE id = $1", 2)

    await c.execute("CREATE TABLE copied (a int, b text)")
    print(await c.copy_records_to_table("copied", records=[(n, f"t{n}") for n in range(2000)]))
    out = io.BytesIO()
    print(
        await c.copy_from_query("SELECT * FROM copied WHERE a < $1", 3, output=out), out.getvalue()
    )
    print(await c.copy_from_table("copied", output=io.BytesIO(), format="binary"))
    print(await c.copy_to_table("copied", source=io.BytesIO(b"1,x\n2,y\n"), format="csv"))
    try:
        await c.copy_to_table("copied", source=io.BytesIO(b"x\ty\n"))
    except asyncpg.DataError as error:
        print(error.sqlstate, error)
    await c.execute("DO $$ BEGIN RAISE WARNING 'warned'; END $$")

    heard: asyncio.Queue[tuple[str, str]] = asyncio.Queue()
    await c.add_listener(
        "ch", lambda _c, _pid, channel, payload: heard.put_nowait((channel, payload))
    )
    await c.execute("NOTIFY ch, 'payload'")
    print(await asyncio.wait_for(heard.get(), 10))
    try:
        await c.fetch("SELECT pg_sleep(20)", timeout=0.5)
    except TimeoutError:
        print("timed out", await c.fetchval("SELECT 1"))
    await c.reset()
    await c.close()

    async with asyncpg.create_pool(url, min_size=2, max_size=4) as pool:
        print(await asyncio.gather(*(pool.fetchval("SELECT $1::int", n) for n in range(20))))


asyncio.run(main())
