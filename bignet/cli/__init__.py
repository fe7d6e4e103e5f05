"""The command line: options -> one verb -> print."""
