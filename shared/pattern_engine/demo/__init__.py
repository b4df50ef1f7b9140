"""`pattern-engine demo`: the whole life of an error, on a real local Supabase.

`sample` is history: real errors of the past. `shop` is a small application with a fault in its
data. `story` tells what happens, step by step, and `report` prints it.
"""
