--- made in the open transaction | simple extended
SET search_path = scratch, vault
BEGIN
CREATE TABLE things (word text)
INSERT INTO things VALUES ('scratch.things/mine')
SELECT word FROM things
SAVEPOINT a
DROP TABLE things
SELECT word FROM things
ROLLBACK TO a
SELECT word FROM things
ROLLBACK
SELECT word FROM things
CREATE TABLE things (id int, word text)
SELECT count(*) FROM things
DROP TABLE things
SELECT word FROM things
--- a view made in the open transaction | dba
SET search_path = scratch, open
BEGIN
CREATE VIEW things AS SELECT word FROM vault.things
SELECT word FROM things
CREATE OR REPLACE VIEW things AS SELECT word FROM vault2.things
SELECT word FROM things
COMMIT
SELECT word FROM things
DROP VIEW things
SELECT word FROM things
--- a view replaced | dba
SET search_path = scratch
CREATE VIEW w AS SELECT word FROM open.things
SELECT word FROM w
CREATE OR REPLACE VIEW w AS SELECT word FROM vault.things
SELECT word FROM w
--- a view replaced by somebody else
@dba CREATE VIEW scratch.w AS SELECT word FROM open.things
@dba GRANT SELECT ON scratch.w TO PUBLIC
SELECT word FROM scratch.w
@dba CREATE OR REPLACE VIEW scratch.w AS SELECT word FROM vault.things
SELECT word FROM scratch.w
--- a table dropped and made again by somebody else
@dba CREATE TABLE vault.x AS SELECT 1 AS id, 'vault.x/secret-0021' AS word
@dba GRANT SELECT ON vault.x TO PUBLIC
SELECT word FROM vault.x
@dba DROP TABLE vault.x
SELECT word FROM vault.x
@dba CREATE VIEW vault.x AS SELECT word AS other, 7 AS word FROM vault.things
@dba GRANT SELECT ON vault.x TO PUBLIC
SELECT other FROM vault.x
--- shadowed by somebody else | simple
SET search_path = scratch, open
SELECT word FROM things
@dba CREATE VIEW scratch.things AS SELECT word FROM vault.things
@dba GRANT SELECT ON scratch.things TO PUBLIC
SELECT word FROM things
@dba DROP VIEW scratch.things
SELECT word FROM things
--- renamed by somebody else | simple
SELECT word FROM vault.things
@super ALTER TABLE vault.things RENAME COLUMN word TO label
SELECT label FROM vault.things
@super CREATE SCHEMA open2
@super GRANT USAGE ON SCHEMA open2 TO PUBLIC
@super ALTER TABLE vault.things SET SCHEMA open2
SELECT label FROM open2.things
@super ALTER SCHEMA open2 RENAME TO open3
SELECT label FROM open3.things
--- swapped by somebody else | simple
SELECT word FROM open.things
@super ALTER SCHEMA open RENAME TO closed
@super ALTER SCHEMA vault RENAME TO open
SELECT word FROM open.things
SELECT word FROM closed.things
--- partitions | simple
SELECT word FROM vault.split1
@super ALTER TABLE vault.split DETACH PARTITION vault.split1
SELECT word FROM vault.split1
SELECT word FROM vault.split
@super ALTER TABLE vault.split1 SET SCHEMA scratch
@super ALTER TABLE vault.split ATTACH PARTITION scratch.split1 FOR VALUES IN (1)
SELECT word FROM scratch.split1
SELECT word FROM vault.split
--- a cursor lives while names change
SET search_path = vault
BEGIN
DECLARE c CURSOR FOR SELECT word FROM things
SET search_path = open
FETCH 1 FROM c
SELECT word FROM things
COMMIT
--- settings of the role | simple
@super ALTER ROLE {user} SET search_path = vault
SELECT word FROM things
@again
SELECT word FROM things
RESET search_path
SELECT word FROM things
@super ALTER ROLE {user} RESET search_path
@super ALTER DATABASE {database} SET search_path = vault2
@again
SELECT word FROM things
@super ALTER ROLE {user} IN DATABASE {database} SET search_path = open
@again
SELECT word FROM things
@super ALTER ROLE {user} IN DATABASE {database} RESET ALL
@super ALTER DATABASE {database} RESET ALL
--- startup options | simple
@again -c search_path=vault
SELECT word FROM things
SET search_path = open
RESET search_path
SELECT word FROM things
DISCARD ALL
SELECT word FROM things
@again --search_path=vault2,open
SELECT word FROM things
--- a schema made later | simple
SET search_path = later, open
SELECT word FROM things
@super CREATE SCHEMA later CREATE VIEW things AS SELECT word FROM vault.things
@super GRANT USAGE ON SCHEMA later TO PUBLIC; GRANT SELECT ON later.things TO PUBLIC
SELECT word FROM things
@super DROP SCHEMA later CASCADE
SELECT word FROM things
--- usage taken and given | simple
SET search_path = vault2, open
SELECT word FROM things
@super REVOKE USAGE ON SCHEMA vault2 FROM PUBLIC
SELECT word FROM things
@super GRANT USAGE ON SCHEMA vault2 TO PUBLIC
SELECT word FROM things
