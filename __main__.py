"""`python -m layeratlas`: the command line."""

from layeratlas.cli import main

main()
