"""`python -m tidecast`."""

from tidecast.cli.main import main

main()
