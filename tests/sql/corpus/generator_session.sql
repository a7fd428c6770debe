-- Temporary tables that shadow permanent ones, in the session that asks.
CREATE TEMPORARY TABLE staff (id int, name text, salary numeric, boss int, hired date);
CREATE TEMPORARY TABLE providers (id int PRIMARY KEY, name text, npi text, ssn text);
