// pgx: every way of running a query, batches, COPY, notifications, cancel. Argument: the URL.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

var ctx = context.Background()

func must(err error) {
	if err != nil {
		fmt.Println("FAILED", told(err))
		os.Exit(1)
	}
}

func told(err error) string {
	var e *pgconn.PgError
	if errors.As(err, &e) {
		return fmt.Sprint(e.Code, " ", e.Message, " ", e.Position, " ", e.ConstraintName, " ", e.Detail)
	}
	return fmt.Sprint(err)
}

func main() {
	config, err := pgx.ParseConfig(os.Args[1])
	must(err)
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { fmt.Println(n.Severity, n.Message) }
	c, err := pgx.ConnectConfig(ctx, config)
	must(err)
	_, err = c.Exec(ctx, "CREATE TABLE gt (id serial PRIMARY KEY, a text, n numeric, t text[], j jsonb)")
	must(err)
	modes := []pgx.QueryExecMode{
		pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
		pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
	}
	for _, mode := range modes {
		for range 2 {
			var id int
			insert := "INSERT INTO gt (a, t) VALUES ($1, $2) RETURNING id"
			must(c.QueryRow(ctx, insert, mode, "é", []string{"x", "y"}).Scan(&id))
			rows, err := c.Query(ctx, "SELECT id, a, t FROM gt WHERE id = $1", mode, id)
			must(err)
			for rows.Next() {
				values, err := rows.Values()
				fmt.Println(values, err)
			}
			fmt.Println(rows.CommandTag(), rows.Err())
		}
		for _, text := range []string{"SELECT nosuch", "SELEC 1", "SELECT 1/0", "INSERT INTO gt (id) VALUES (1)"} {
			_, err := c.Exec(ctx, text, mode)
			fmt.Println(told(err))
		}
	}
	batch := &pgx.Batch{}
	for n := range 200 {
		batch.Queue("SELECT $1::int + 1", n)
	}
	batch.Queue("SELECT 1/0")
	batch.Queue("SELECT 2")
	results, sum := c.SendBatch(ctx, batch), 0
	for range 200 {
		var n int
		must(results.QueryRow().Scan(&n))
		sum += n
	}
	_, err = results.Exec()
	fmt.Println(sum, told(err), told(results.Close()))

	copied, err := c.CopyFrom(ctx, pgx.Identifier{"gt"}, []string{"a"}, pgx.CopyFromSlice(1000,
		func(i int) ([]any, error) { return []any{fmt.Sprint("row ", i)}, nil }))
	fmt.Println(copied, err)
	var out bytes.Buffer
	tag, err := c.PgConn().CopyTo(ctx, &out, "COPY (SELECT id, a FROM gt ORDER BY id LIMIT 12) TO STDOUT")
	fmt.Println(tag, err, out.String())
	_, err = c.PgConn().CopyFrom(ctx, strings.NewReader("x\n"), "COPY gt (id) FROM STDIN")
	fmt.Println(told(err))

	tx, err := c.Begin(ctx)
	must(err)
	nested, err := tx.Begin(ctx)
	must(err)
	_, err = nested.Exec(ctx, "SELECT 1/0")
	fmt.Println(told(err), nested.Rollback(ctx), tx.Commit(ctx))

	pipeline := c.PgConn().StartPipeline(ctx)
	pipeline.SendPrepare("kept", "SELECT $1::text", nil)
	pipeline.SendQueryPrepared("kept", [][]byte{[]byte("a")}, nil, nil)
	pipeline.SendFlushRequest()
	must(pipeline.Flush())
	for range 2 {
		found, err := pipeline.GetResults()
		fmt.Printf("%T %v\n", found, err)
		if reader, ok := found.(*pgconn.ResultReader); ok {
			fmt.Println(reader.Read().CommandTag)
		}
	}
	must(pipeline.Sync())
	fmt.Println(pipeline.Close())

	_, err = c.Exec(ctx, "LISTEN ch; NOTIFY ch, 'hi'; DO $$ BEGIN RAISE NOTICE 'noted'; END $$")
	must(err)
	heard, err := c.WaitForNotification(ctx)
	must(err)
	fmt.Println(heard.Channel, heard.Payload)
	other, err := pgx.ConnectConfig(ctx, config)
	must(err)
	time.AfterFunc(500*time.Millisecond, func() { must(other.PgConn().CancelRequest(ctx)) })
	_, err = other.Exec(ctx, "SELECT pg_sleep(20)")
	fmt.Println(told(err))
	must(other.Close(ctx))
	must(c.Close(ctx))
}
