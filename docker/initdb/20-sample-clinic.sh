#!/bin/sh
# A made-up clinic to try things on, after 10-dbguard-roles.sh. Runs once, when the server's volume is empty.
# analyst, clinician and dba log in with the password in secrets/people_password. To start without it,
# remove this file and its volumes from compose.yaml.
set -eu
secrets=${SECRETS:-/run/secrets}
psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --username="$POSTGRES_USER" --dbname=postgres \
    --set=password="$(cat "$secrets/people_password")" \
    --set=schema="${SAMPLE_SCHEMA:-/sample/schema.sql}" <<'SQL'
CREATE ROLE analysts;
CREATE ROLE clinicians;
CREATE ROLE dbas;
CREATE ROLE analyst LOGIN PASSWORD :'password' IN ROLE analysts;
CREATE ROLE clinician LOGIN PASSWORD :'password' IN ROLE clinicians;
CREATE ROLE dba LOGIN PASSWORD :'password' IN ROLE dbas;
CREATE DATABASE clinic OWNER dba;
REVOKE CONNECT ON DATABASE clinic FROM PUBLIC;
GRANT CONNECT ON DATABASE clinic TO analysts, clinicians, dbas, dbguard, dbguard_backup;
\connect clinic
SET ROLE dba;
\i :schema
INSERT INTO clinic.patients (mrn, ssn, first_name, last_name, dob, sex, phone, email, city, state, zip)
SELECT 'MRN' || lpad(n::text, 6, '0'),
       format('9%s-%s-%s', lpad((n % 100)::text, 2, '0'), n % 90 + 10, lpad(n::text, 4, '0')),
       (ARRAY['Ada', 'Ben', 'Chloe', 'Dan', 'Eva', 'Finn', 'Grace', 'Hugo'])[n % 8 + 1],
       (ARRAY['Abel', 'Brown', 'Costa', 'Diaz', 'Evans', 'Fox', 'Gray'])[n % 7 + 1],
       date '1930-01-01' + n * 163, (ARRAY['female', 'male'])[n % 2 + 1]::clinic.sex,
       format('555-01%s', lpad((n % 100)::text, 2, '0')), format('patient%s@example.org', n),
       'Springfield', 'IL', lpad((62700 + n % 20)::text, 5, '0')
FROM generate_series(1, 200) AS n;
INSERT INTO clinic.providers (npi, name, specialty)
SELECT lpad(n::text, 10, '1'), 'Dr. ' || n, (ARRAY['cardiology', 'surgery'])[n % 2 + 1]
FROM generate_series(1, 10) AS n;
INSERT INTO clinic.encounters (patient_id, provider_id, admitted, kind, reason)
SELECT p.id, p.id % 10 + 1, timestamptz '2025-01-01' + p.id * interval '1 day', 'outpatient', 'check-up'
FROM clinic.patients p;
INSERT INTO clinic.diagnoses (encounter_id, patient_id, icd10, description, diagnosed_on)
SELECT e.id, e.patient_id, 'I10', 'Essential hypertension', e.admitted::date
FROM clinic.encounters e WHERE e.id % 3 = 0;
REFRESH MATERIALIZED VIEW clinic.diagnosis_counts;
SQL
