CREATE TABLE orders (id bigserial PRIMARY KEY, total numeric, status text, created timestamptz DEFAULT now());
INSERT INTO orders (total, status) SELECT i, 'new' FROM generate_series(1, 20) i;
CREATE TABLE customers (id int PRIMARY KEY, name text); INSERT INTO customers VALUES (1,'a');
CREATE TABLE events (id bigint, at date) PARTITION BY RANGE (at);
CREATE TABLE events_2026 PARTITION OF events FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
CREATE TABLE schema_version (n int);
