"""A local Supabase without Docker: PostgreSQL, a gateway, the functions and a worker.

Start with `stack.Stack`. Each other module handles one part: finding a server (`servers`), creating
and running a cluster (`postgres`), what a hosted project has before the first migration
(`bootstrap`), applying migrations (`migrations`), serving the functions (`functions`), and sending
the requests of `pg_net` and running the schedules (`worker`).
"""
