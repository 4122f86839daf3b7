"""Pages that teach: one idea each, with live numbers from the models of `explorer`."""
