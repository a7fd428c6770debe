// node-postgres: client, pool, cursor, streams, COPY. Argument: the URL to connect to.
const { Client, Pool } = require('pg')
const Cursor = require('pg-cursor')
const QueryStream = require('pg-query-stream')
const copy = require('pg-copy-streams')
const { pipeline } = require('stream/promises')
const { Readable } = require('stream')

const connectionString = process.argv[2]
const show = (...values) => console.log(JSON.stringify(values))

async function failing (client, ...query) {
  try {
    show((await client.query(...query)).rows)
  } catch (e) {
    show(e.code, e.message, e.position, e.constraint, e.detail)
  }
}

async function main () {
  const c = new Client({ connectionString })
  await c.connect()
  const heard = new Promise(resolve => c.on('notification', m => resolve([m.channel, m.payload])))
  c.on('notice', m => show(m.severity, m.message))
  await c.query('CREATE TABLE nodes (id serial PRIMARY KEY, a text, j jsonb, t text[], ' +
    'ts timestamptz, n numeric, b bytea)')
  const row = ['é', { x: 1 }, ['a', 'b'], new Date(0), '1.50', Buffer.from('ff', 'hex')]
  show((await c.query('INSERT INTO nodes (a, j, t, ts, n, b) VALUES ($1, $2, $3, $4, $5, $6) ' +
    'RETURNING *', row)).rows)
  for (let i = 0; i < 3; i++) {
    show((await c.query({ name: 'kept', text: 'SELECT a, n FROM nodes WHERE id = $1', values: [1] })).rows)
  }
  const array = await c.query({ text: 'SELECT 1 AS x, 2', rowMode: 'array' })
  show(array.rows, array.fields.map(f => [f.name, f.dataTypeID, f.columnID, f.dataTypeSize]))
  show((await c.query('SELECT 1; SELECT 2 AS b; SELECT 3')).map(r => [r.command, r.rows]))
  show((await c.query({ text: 'SELECT $1::int AS n', values: [1], binary: true })).rows)
  const cursor = c.query(new Cursor('SELECT g FROM generate_series(1, $1::int) g', [25]))
  for (;;) {
    const rows = await cursor.read(10)
    show(rows.length)
    if (!rows.length) break
  }
  await cursor.close()
  const early = c.query(new Cursor('SELECT g FROM generate_series(1, 1000) g'))
  show(await early.read(3))
  await early.close()
  let sum = 0
  const stream = new QueryStream('SELECT g FROM generate_series(1, 1000) g', [], { batchSize: 77 })
  for await (const r of c.query(stream)) sum += r.g
  show(sum)
  await pipeline(Readable.from(['x\t\\N\n', 'y\t\\N\n']), c.query(copy.from('COPY nodes (a, j) FROM STDIN')))
  let out = ''
  for await (const d of c.query(copy.to('COPY (SELECT id, a FROM nodes ORDER BY 1) TO STDOUT'))) out += d
  show(out)
  try {
    await pipeline(Readable.from(['x\n']), c.query(copy.from('COPY nodes (id) FROM STDIN')))
  } catch (e) {
    show(e.code, e.message, e.where)
  }
  for (const q of ['SELECT nosuch', 'SELEC', 'SELECT 1/0', 'INSERT INTO nodes (id) VALUES (1)']) {
    await failing(c, q)
    await failing(c, q + ' -- $1', [])
  }
  await c.query('BEGIN')
  await failing(c, 'SELECT $1::int', ['q'])
  await failing(c, 'SELECT 1')
  await c.query('ROLLBACK')
  await c.query("DO $$ BEGIN RAISE NOTICE 'noted'; END $$")
  await c.query('LISTEN ch')
  await c.query("NOTIFY ch, 'hi'")
  show(await heard)
  const pool = new Pool({ connectionString, max: 5 })
  const all = [...Array(20).keys()].map(i => pool.query('SELECT $1::int AS i', [i]))
  show((await Promise.all(all)).map(r => r.rows[0].i))
  await pool.end()
  await c.end()
}

main().catch(e => { console.log('FAILED', e); process.exit(1) })
