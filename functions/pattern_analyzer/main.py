"""All endpoints below one path, as in the specification: /pattern-analyzer/learn, …/apply, ….

It serves the functions beside it, and their description at /openapi.json. Deploy the folder
`functions` as a whole with this file as its source: it loads its neighbours from there.
"""

from pathlib import Path

from pattern_engine.serving.routing import router

main = router(Path(__file__).resolve().parent.parent)
