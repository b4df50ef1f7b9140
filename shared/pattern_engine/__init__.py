"""The Pattern Learning Engine.

Packages by subject; each imports only packages before it here, and the modules beside this one:

- `text`, `api`, `laws`, `fixes`, `database`: what the subjects share;
- `catalogue`: known messages; `reading`: the root error of a text;
- `grouping`: from an error to its group; `learning`: counting errors;
- `steering`: merging, splitting, rules; `overview`: clusters and figures;
- `healing`: running approved fixes; `approval`: proposing and approving them;
- `serving`: the endpoints over HTTP; `local`, `demo`, `cli`: the local stack, the demo, commands.

For applications, importing nothing of the above: `handlers`, which log errors to the engine.
"""
