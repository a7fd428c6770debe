CREATE SCHEMA clinic;
CREATE SCHEMA archive;
CREATE TABLE clinic.armed (yes bool);
CREATE TYPE clinic.address AS (street text, town text);
CREATE TABLE clinic.patients (id int PRIMARY KEY, name text, home clinic.address);
INSERT INTO clinic.patients VALUES (1, 'a', ('s', 't')), (2, 'b', ('s', 't'));
CREATE TABLE clinic.plain (id int, name text);
INSERT INTO clinic.plain VALUES (1, 'x');
CREATE INDEX plain_id ON clinic.plain (id);
CREATE TABLE public.shadow (id int);
INSERT INTO public.shadow VALUES (1);
CREATE TABLE clinic.parted (id int, x text) PARTITION BY RANGE (id);
CREATE TABLE clinic.parted_1 PARTITION OF clinic.parted FOR VALUES FROM (0) TO (10);
INSERT INTO clinic.parted VALUES (1, 'p');
CREATE VIEW clinic.names AS SELECT name FROM clinic.plain;
CREATE SEQUENCE clinic.numbers;
CREATE TEXT SEARCH DICTIONARY clinic.dict (template = simple);
-- what drops a table once there is a row in clinic.armed
CREATE FUNCTION clinic.wipe() RETURNS int LANGUAGE plpgsql AS 'BEGIN
  IF EXISTS (SELECT FROM clinic.armed) THEN EXECUTE ''DROP TABLE IF EXISTS public.shadow''; END IF;
  RETURN 1; END';
CREATE FUNCTION clinic.calm(int) RETURNS int LANGUAGE plpgsql IMMUTABLE
  AS 'BEGIN RETURN clinic.wipe(); END';
CREATE FUNCTION clinic.total(int, int) RETURNS int LANGUAGE plpgsql IMMUTABLE
  AS 'BEGIN RETURN clinic.wipe(); END';
CREATE FUNCTION clinic.fire() RETURNS trigger LANGUAGE plpgsql
  AS 'BEGIN PERFORM clinic.wipe(); RETURN NULL; END';
CREATE FUNCTION clinic.event() RETURNS event_trigger LANGUAGE plpgsql
  AS 'BEGIN PERFORM clinic.wipe(); END';
CREATE FUNCTION clinic.to_int(clinic.address) RETURNS int LANGUAGE plpgsql
  AS 'BEGIN RETURN clinic.wipe(); END';
CREATE CAST (clinic.address AS int) WITH FUNCTION clinic.to_int(clinic.address);
CREATE PROCEDURE clinic.tidy() LANGUAGE plpgsql AS 'BEGIN PERFORM clinic.wipe(); END';
CREATE TABLE clinic.indexed (a int);
INSERT INTO clinic.indexed VALUES (1);
CREATE INDEX indexed_calm ON clinic.indexed (clinic.calm(a));
CREATE TABLE clinic.other (a int);
INSERT INTO clinic.other VALUES (1);
CREATE EXTENSION IF NOT EXISTS postgres_fdw;
CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1', port '9');
CREATE USER MAPPING FOR CURRENT_USER SERVER elsewhere OPTIONS (user 'nobody');
CREATE FOREIGN TABLE clinic.far (id int) SERVER elsewhere;
CREATE TABLE clinic.near (id int) PARTITION BY RANGE (id);
CREATE FOREIGN TABLE clinic.far_1 PARTITION OF clinic.near FOR VALUES FROM (0) TO (9) SERVER elsewhere;
CREATE TABLE clinic.of_extension (id int);
INSERT INTO clinic.of_extension VALUES (1);
ALTER EXTENSION postgres_fdw ADD TABLE clinic.of_extension;
CREATE TABLE clinic.misplaced (id int);
INSERT INTO clinic.misplaced VALUES (1);
ALTER TABLE clinic.misplaced SET SCHEMA information_schema;
