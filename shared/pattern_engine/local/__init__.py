"""A local Supabase without Docker: PostgreSQL, a gateway, the functions and a worker.

`stack.Stack` is the way in. Each other module knows one part: where a server is found
(`servers`), how a cluster is made and run (`postgres`), what a hosted project has before the
first migration (`bootstrap`), how migrations are applied (`migrations`), how functions are
served (`functions`), and who delivers `pg_net`'s queue and runs the schedules (`worker`).
"""
