--- set
SET search_path = vault
SELECT word FROM things
SET search_path TO open, vault
SELECT word FROM things
SET search_path TO 'vault', 'open'
SELECT word FROM things
SET search_path = vault2; SELECT word FROM things
SELECT word FROM things
SHOW search_path
--- set local and its end
SET search_path = open
BEGIN
SET LOCAL search_path = vault
SELECT word FROM things
COMMIT
SELECT word FROM things
BEGIN
SET LOCAL search_path = vault
SELECT word FROM things
ROLLBACK
SELECT word FROM things
SET LOCAL search_path = vault
SELECT word FROM things
--- set, rolled back
SET search_path = open
BEGIN
SET search_path = vault
SELECT word FROM things
ROLLBACK
SELECT word FROM things
--- savepoints
SET search_path = open
BEGIN
SAVEPOINT a
SET search_path = vault
SELECT word FROM things
ROLLBACK TO a
SELECT word FROM things
SAVEPOINT b
SET LOCAL search_path = vault2
RELEASE b
SELECT word FROM things
COMMIT
SELECT word FROM things
--- an error takes the path back
SET search_path = open
BEGIN
SET search_path = vault
SELECT 1/0
SELECT word FROM things
ROLLBACK
SELECT word FROM things
--- an error inside a savepoint
SET search_path = open
BEGIN
SAVEPOINT a
SET search_path = vault
SELECT 1/0
ROLLBACK TO SAVEPOINT a
SELECT word FROM things
COMMIT
--- reset
SET search_path = vault
RESET search_path
SELECT word FROM things
SET search_path = vault
RESET ALL
SELECT word FROM things
SET search_path = vault
SET search_path TO DEFAULT
SELECT word FROM things
SET search_path = vault
DISCARD ALL
SELECT word FROM things
SET SESSION search_path = vault
SELECT word FROM things
--- set from current
SET search_path = vault
SET search_path FROM CURRENT
SELECT word FROM things
--- set_config
SELECT set_config('search_path', 'vault', false)
SELECT word FROM things
SELECT pg_catalog.set_config('search_path', 'open', false)
SELECT word FROM things
BEGIN
SELECT set_config('search_path', 'vault', true)
SELECT word FROM things
COMMIT
SELECT word FROM things
BEGIN
SELECT set_config('search_path', 'vault2', false)
SELECT word FROM things
ROLLBACK
SELECT word FROM things
SELECT set_config('search_path', 'vault', true)
SELECT word FROM things
SELECT set_config('Search_Path', '"$user", nosuch', false)
SELECT word FROM own
SELECT pg_catalog.set_config('search_path', '', false)
SELECT word FROM things
SELECT set_config('search_path', 'vault,open', 'f')
SELECT word FROM things
SELECT set_config('search_path'::text, 'open'::text, false::boolean) AS x
SELECT word FROM things
SELECT set_config('search_path', 'vault', false), set_config('statement_timeout', '10000', false)
SELECT word FROM things
--- the user's own schema
SET search_path = "$user", vault
SELECT word FROM things
SELECT word FROM own
--- schemas that are not there
SET search_path = nosuch, vault, open
SELECT word FROM things
SET search_path = "VAULT", open
SELECT word FROM things
SET search_path = "Vault"
SELECT word FROM things
SET search_path = "va.ult"
SELECT word FROM things
SET search_path = Vault
SELECT word FROM things
SET search_path = 'Vault'
SELECT word FROM things
SET search_path = ''
SELECT word FROM things
--- temporary tables first, and last
SET search_path = vault
CREATE TEMP TABLE things AS SELECT 1 AS id, 'pg_temp.things/mine' AS word
SELECT word FROM things
SELECT word FROM vault.things
SELECT word FROM pg_temp.things
SET search_path = vault, pg_temp
SELECT word FROM things
SET search_path = pg_temp, vault
SELECT word FROM things
DROP TABLE pg_temp.things
SELECT word FROM things
--- temporary views | dba simple
SET search_path = open
CREATE TEMP VIEW things AS SELECT word FROM vault.things
SELECT word FROM things
DROP VIEW things
SELECT word FROM things
CREATE TEMP VIEW things AS SELECT word FROM vault2.things
SELECT word FROM things
DISCARD TEMP
SELECT word FROM things
--- on commit drop
SET search_path = vault
BEGIN
CREATE TEMP TABLE things (word text) ON COMMIT DROP
INSERT INTO things VALUES ('pg_temp.things/mine')
SELECT word FROM things
COMMIT
SELECT word FROM things
--- temporary, rolled back
SET search_path = vault
BEGIN
CREATE TEMP TABLE things (word text)
SELECT word FROM things
ROLLBACK
SELECT word FROM things
BEGIN
SAVEPOINT a
CREATE TEMP TABLE things (word text)
SELECT word FROM things
ROLLBACK TO a
SELECT word FROM things
COMMIT
--- temporary, dropped and rolled back
SET search_path = vault
CREATE TEMP TABLE things AS SELECT 'pg_temp.things/mine' AS word
BEGIN
DROP TABLE things
SELECT word FROM things
ROLLBACK
SELECT word FROM things
BEGIN
SAVEPOINT a
ALTER TABLE things RENAME TO other
SELECT word FROM things
ROLLBACK TO a
SELECT word FROM things
RELEASE a
COMMIT
SELECT word FROM things
--- discard all
SET search_path = vault
CREATE TEMP TABLE things AS SELECT 'pg_temp.things/mine' AS word
DISCARD ALL
SET search_path = vault
SELECT word FROM things
--- roles
SET search_path = "$user", vault
SELECT word FROM own
SET ROLE analysts
SELECT word FROM private
SELECT word FROM own
RESET ROLE
SELECT word FROM own
BEGIN
SET LOCAL ROLE analysts
SELECT word FROM own
COMMIT
SELECT word FROM own
SET ROLE NONE
SELECT word FROM own
SET ROLE 'analysts'
SELECT word FROM own
SET SESSION AUTHORIZATION DEFAULT
SELECT word FROM own
SET SESSION AUTHORIZATION analyst
SELECT word FROM own
--- case folding
SET search_path = vault
SELECT word FROM THINGS
SELECT word FROM "Things"
SELECT word FROM "THINGS"
SELECT "things".WORD FROM Vault.Things
SELECT "Vault".things.word FROM "Vault".things
SELECT word FROM "va.ult".things
SELECT word FROM "va"."ult"
--- odd names
SET search_path = vault
SELECT word FROM "odd ""name"" of.ünïcode"
SELECT word FROM vault."odd ""name"" of.ünïcode" AS "x y"
SELECT "x "" y".word FROM "odd ""name"" of.ünïcode" "x "" y"
SELECT word FROM U&"odd \0022name\0022 of.\00fcn\00efcode"
SELECT word FROM U&"odd !0022name!0022 of.!00fcn!00efcode" UESCAPE '!'
SELECT word FROM U&"th\0069ngs"
SELECT word FROM U&"v\0061ult".U&"\+000074hings"
--- long names
SET search_path = vault
SELECT word FROM abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghij
SELECT word FROM ABCDEFGHIJabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijABC
SELECT word FROM abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijab
SELECT word FROM "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabü"
SELECT word FROM "abcdefghijabcdefghijabcdefghijabcdefghijabcdefghijabcdefghijab😀x"
--- built-ins shadowed
SET search_path = lib, vault, pg_catalog
SELECT pg_catalog.lower(word) FROM things
SELECT relname FROM pg_class WHERE relname = 'things' LIMIT 1
SET search_path = open, pg_catalog
SELECT word FROM pg_class
SELECT count(*) > 1 FROM pg_catalog.pg_class
SET search_path = pg_catalog, open
SELECT count(*) > 1 FROM pg_class
SELECT word FROM open.pg_class
SET search_path = open
SELECT count(*) > 1 FROM pg_class
SELECT table_name FROM information_schema.tables WHERE table_schema = 'vault2'
SET search_path = information_schema
SELECT count(*) > 1 FROM tables
--- functions with a path of their own
SET search_path = open
SELECT word FROM things WHERE id = 1
--- transactions chained
SET search_path = open
BEGIN
SET LOCAL search_path = vault
COMMIT AND CHAIN
SELECT word FROM things
SET search_path = vault
ROLLBACK AND CHAIN
SELECT word FROM things
COMMIT
SELECT word FROM things
--- strings of statements
SET search_path = open; BEGIN; SET LOCAL search_path = vault; SELECT word FROM things; COMMIT; SELECT word FROM things
SELECT word FROM things
CREATE TEMP TABLE things (word text); INSERT INTO things VALUES ('pg_temp.things/mine'); SELECT word FROM things
SELECT word FROM things
DROP TABLE things; SELECT word FROM things
BEGIN; SAVEPOINT a; SET search_path = vault2; ROLLBACK TO a; SELECT word FROM things; COMMIT
RESET search_path; SELECT 1
SELECT set_config('search_path', 'vault', false); SELECT word FROM things
--- what EXECUTE runs
SET search_path = vault
PREPARE q AS SELECT word FROM things
EXECUTE q
SET search_path = vault2
EXECUTE q
DEALLOCATE q
BEGIN
DECLARE c CURSOR FOR SELECT word FROM things
SET search_path = open
FETCH c
CLOSE c
COMMIT
--- settings updated as a table | dba
SET search_path = open
UPDATE pg_settings SET setting = 'vault' WHERE name = 'search_path'
SELECT word FROM things
UPDATE pg_catalog.pg_settings SET setting = 'open' WHERE name = 'search_path'
SELECT word FROM things
