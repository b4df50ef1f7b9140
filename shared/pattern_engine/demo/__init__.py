"""`pattern-engine demo`: the whole life of an error, on a real local Supabase.

`history` holds real errors of the past. `shop` is a small application with faulty data, and
`programs` are its clients, each with its own way to log an error. `story` does what an application
and an operator do, and `report` formats the results.
"""
