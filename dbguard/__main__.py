"""`python -m dbguard`."""

from dbguard.cli import main

main()
