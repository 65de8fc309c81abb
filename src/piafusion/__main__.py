"""`python -m piafusion` is the command `piafusion`."""

from piafusion.cli import main

main()
