-- The database that the corpus queries run on: small, but with every sort of relation and type.
CREATE SCHEMA clinic;
CREATE SCHEMA archive;
CREATE SCHEMA billing;

CREATE TYPE clinic.sex AS ENUM ('f', 'm', 'x', 'u');
CREATE TYPE clinic.address AS (street text, city text, zip text);
CREATE DOMAIN clinic.mrn AS text CHECK (value ~ '^M[0-9]+$');

CREATE TABLE clinic.providers (id int PRIMARY KEY, name text, npi text, specialty text);
CREATE TABLE clinic.patients (
  id int PRIMARY KEY, mrn clinic.mrn UNIQUE, ssn text, first_name text, last_name text,
  dob date, sex clinic.sex, addr clinic.address, phones text[], doc jsonb, extra json,
  created timestamptz DEFAULT now(),
  full_name text GENERATED ALWAYS AS (last_name || ', ' || first_name) STORED);
CREATE TABLE clinic.encounters (
  id bigint PRIMARY KEY, patient_id int REFERENCES clinic.patients, provider_id int,
  started timestamptz, ended timestamptz, kind text, reason text, charge numeric(10,2));
CREATE TABLE clinic.diagnoses (
  id bigint PRIMARY KEY, encounter_id bigint, code varchar(8), rank smallint, noted date);
CREATE TABLE clinic.medications (
  id bigint PRIMARY KEY, patient_id int, rxnorm text, dose numeric, unit text,
  period daterange, prescriber int);
CREATE TABLE clinic.notes (
  id bigint PRIMARY KEY, encounter_id bigint, author int, body text, search tsvector, xmldoc xml);
CREATE TABLE clinic.labs (
  id bigint, patient_id int, loinc text, result numeric, units text, at timestamptz)
  PARTITION BY RANGE (at);
CREATE TABLE clinic.labs_2024 PARTITION OF clinic.labs
  FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE clinic.staff (id int, name text, manager_id int);
CREATE TABLE clinic.physicians (license text) INHERITS (clinic.staff);
CREATE TABLE billing.claims (
  id bigint PRIMARY KEY, encounter_id bigint, payer text, amount numeric(12,2), status text,
  submitted date, lines jsonb);
CREATE TABLE archive.patients (id int PRIMARY KEY, ssn text, archived date);

CREATE VIEW clinic.patient_names AS SELECT id, last_name, first_name FROM clinic.patients;
CREATE VIEW clinic.risky AS
  SELECT p.ssn, count(*) AS visits, max(e.started) AS latest
  FROM clinic.patients p JOIN clinic.encounters e ON e.patient_id = p.id GROUP BY p.ssn;
CREATE VIEW clinic.risky_names AS SELECT upper(r.ssn) AS code, r.visits FROM clinic.risky r;
CREATE MATERIALIZED VIEW clinic.monthly AS
  SELECT date_trunc('month', started) AS month, count(patient_id) AS n
  FROM clinic.encounters GROUP BY 1;

CREATE FUNCTION clinic.bmi(weight numeric, height numeric) RETURNS numeric
  LANGUAGE sql IMMUTABLE AS 'SELECT weight / (height * height)';
CREATE FUNCTION clinic.recent(n int) RETURNS TABLE (encounter bigint, day date)
  LANGUAGE sql STABLE AS 'SELECT id, started::date FROM clinic.encounters LIMIT n';
CREATE FUNCTION clinic.someone() RETURNS clinic.patients
  LANGUAGE sql STABLE AS 'SELECT p FROM clinic.patients p LIMIT 1';
CREATE FUNCTION clinic.everyone() RETURNS SETOF clinic.patients
  LANGUAGE sql STABLE AS 'SELECT p FROM clinic.patients p';
CREATE FUNCTION clinic.pairs() RETURNS SETOF record
  LANGUAGE sql STABLE AS 'SELECT 1, ''a''::text';
CREATE FUNCTION clinic.initials(p clinic.patients) RETURNS text
  LANGUAGE sql STABLE AS 'SELECT left(p.first_name, 1) || left(p.last_name, 1)';
