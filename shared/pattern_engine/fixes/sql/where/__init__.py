"""Whether a statement chooses rows, or touches every row of a table."""

from pattern_engine.fixes.sql.where.bounds import is_endless, is_short_wait, is_small
from pattern_engine.fixes.sql.where.constants import text_of
from pattern_engine.fixes.sql.where.touched import touching

__all__ = ["is_endless", "is_short_wait", "is_small", "text_of", "touching"]
