"""What stands on the page "Performance", one module for each of its topics."""
