"""What all pages share: the choice and its link, the widgets, and the only caches."""
