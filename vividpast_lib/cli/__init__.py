"""The command line: `vividpast`."""
