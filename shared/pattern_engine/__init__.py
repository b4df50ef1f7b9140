"""The error tracker that heals: errors become patterns, approved fixes apply themselves.

Pure modules (features, grouping, regexes, classification, clustering, constitution, confidence,
the analyses in `fixes`) take values and return values. `database` alone speaks PostgREST. The
services (learning, application, approval, clusters, statistics, webhook) join the two, and each
function under `functions/` calls one of them.
"""
