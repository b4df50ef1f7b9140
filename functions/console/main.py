"""The operator's console, a site of server-rendered pages, as in /console/patterns/PATTERN.

Callers: people in a browser, who sign in by Supabase Auth; the database checks the role.
"""

from pattern_engine.console.server import console

main = console()
