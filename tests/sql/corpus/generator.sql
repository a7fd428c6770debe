-- What the query generator's world has besides schema.sql: names that need quotes, that are as long as
-- names may be, that clash with functions and with other schemas' tables, and views over views.
CREATE TABLE clinic."Visit Log" (
  "Visit Id" int PRIMARY KEY, patient_id int, "Größe" numeric, "select" text, "a""b" text, ssn text);
CREATE TABLE clinic.a_table_whose_name_is_exactly_as_long_as_names_may_be_63_bytes_ (
  id int PRIMARY KEY, and_a_column_whose_name_is_as_long_as_that_of_its_own_table_too text);
CREATE TABLE clinic.clashes (
  lower text, count int, sum numeric, upper date, length int, value jsonb, patients text, rank int,
  "user" text, ssn text);
CREATE TABLE public.providers (id int PRIMARY KEY, name text, region text);
CREATE TABLE archive.encounters (id bigint PRIMARY KEY, patient_id int, kind text, closed boolean);
CREATE TABLE public.vitals (
  id bigint, patient_id int, at timestamptz, pulse int, homes clinic.address, flag boolean)
  PARTITION BY LIST (flag);
CREATE TABLE public.vitals_flagged PARTITION OF public.vitals FOR VALUES IN (true)
  PARTITION BY RANGE (at);
CREATE TABLE public.vitals_old PARTITION OF public.vitals_flagged
  FOR VALUES FROM ('2000-01-01') TO ('2024-01-01');
CREATE TABLE public.vitals_rest PARTITION OF public.vitals DEFAULT;
CREATE TABLE clinic.surgeons (theatre text) INHERITS (clinic.physicians);
CREATE VIEW public.people AS
  SELECT p.id, p.ssn, p.addr, n.first_name || ' ' || n.last_name AS name, p.dob, p.phones
  FROM clinic.patients p JOIN clinic.patient_names n USING (id);
CREATE VIEW clinic.people_by_name (name, people, eldest) WITH (security_barrier) AS
  SELECT name, count(*), min(dob) FROM public.people GROUP BY name;
CREATE VIEW archive.all_ids AS
  SELECT id, ssn FROM archive.patients UNION SELECT id, ssn FROM clinic.patients;
