"""The operator's console: pages that people decide with.

Everything that a person sees and does goes to the database with the person's own token. The pages
show what the role may do; the database enforces it.
"""
