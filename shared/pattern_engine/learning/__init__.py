"""Learning from errors: grouping, classifying and counting them."""
