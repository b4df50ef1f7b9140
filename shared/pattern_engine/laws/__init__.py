"""The Four Laws: what they look at, their parts with numbers and thresholds, and the verdict."""
