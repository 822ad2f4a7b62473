"""`python -m bibliothek` is the `bibliothek` command."""

from bibliothek.cli import main

main()
