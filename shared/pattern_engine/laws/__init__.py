"""The Four Laws: the parts that the engine computes, and the verdict in words."""
