"""Supabase's own clients, as any user has them, against the local stack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pattern_engine.local.node import find_node
from pattern_engine.local.project import Project

if TYPE_CHECKING:
    from tests.conftest import Person

ROOT = Project.find(Path(__file__).parent).root

PYTHON = """
import json, os, uuid
import supabase
from postgrest.exceptions import APIError
from supabase_functions.errors import FunctionsHttpError

API_URL, KEY = os.environ["API_URL"], os.environ["KEY"]
client = supabase.create_client(API_URL, KEY)
signed_up = client.auth.sign_up({"email": os.environ["EMAIL"], "password": os.environ["PASSWORD"]})
logs = client.schema("ops").table("system_logs")
message = f"checkout of {uuid.uuid4()} failed"
seen = {"user_id": signed_up.user.id}
seen["written"] = logs.insert({"message": message, "error_data": {"stack": ["a"]}}).execute().data[0]
seen["foreign"] = logs.select("id").eq("id", os.environ["FOREIGN"]).execute().data
seen["patterns"] = client.schema("ops").table("error_patterns").select("*").execute().data

def code_of(query):
    try:
        return query.execute().data
    except APIError as error:
        return error.code

seen["forged"] = code_of(logs.insert({"message": "x", "user_id": os.environ["SOMEBODY"]}))
seen["changed"] = code_of(logs.update({"message": "x"}).eq("id", seen["written"]["id"]))
body = {"error_message": message, "error_source": "checkout", "system_log_id": seen["written"]["id"]}
seen["learned"] = json.loads(client.functions.invoke("pattern-analyzer/learn", {"body": body}))
try:
    anonymous = supabase.create_client(API_URL, KEY)
    anonymous.functions.invoke("pattern-analyzer/learn", {"body": body})
except FunctionsHttpError as error:
    seen["refused"] = error.status
print(json.dumps(seen), flush=True)
os._exit(0)  # supabase-py keeps a timer thread for refreshing its token
"""

JAVASCRIPT = """
import { createClient } from "@supabase/supabase-js";
const { API_URL, KEY, EMAIL, PASSWORD, FOREIGN, SOMEBODY } = process.env;
const options = {
  auth: { persistSession: false, autoRefreshToken: false },
  realtime: { transport: globalThis.WebSocket ?? class {} }, // Node 20 has none, and none is used
};
const supabase = createClient(API_URL, KEY, options);
const signedUp = await supabase.auth.signUp({ email: EMAIL, password: PASSWORD });
if (signedUp.error) throw signedUp.error;
const logs = () => supabase.schema("ops").from("system_logs");
const message = `checkout of ${crypto.randomUUID()} failed`;
const row = { message, error_data: { stack: ["a"] } };
const written = await logs().insert(row).select().single();
const foreign = await logs().select("id").eq("id", FOREIGN);
const patterns = await supabase.schema("ops").from("error_patterns").select();
const forged = await logs().insert({ message: "x", user_id: SOMEBODY });
const changed = await logs().update({ message: "x" }).eq("id", written.data.id);
const body = { error_message: message, error_source: "checkout", system_log_id: written.data.id };
const learned = await supabase.functions.invoke("pattern-analyzer/learn", { body });
const anonymous = createClient(API_URL, KEY, options);
const refused = await anonymous.functions.invoke("pattern-analyzer/learn", { body });
console.log(JSON.stringify({
  user_id: signedUp.data.user.id, written: written.data, foreign: foreign.data,
  patterns: patterns.data, forged: forged.error?.code, changed: changed.error?.code,
  learned: learned.data, refused: refused.error?.context?.status,
}));
"""


def use(client: list[str], addresses: dict[str, Any], somebody: Person) -> dict[str, Any]:
    """Run a program as a new user; return what it saw."""
    foreign = somebody.rest.insert("system_logs", {"message": "somebody else's"})[0]["id"]
    ran = subprocess.run(
        client,
        env={
            "PATH": os.environ["PATH"],
            "API_URL": addresses["api_url"],
            "KEY": addresses["publishable_key"],
            "EMAIL": f"{uuid.uuid4().hex}@example.com",
            "PASSWORD": uuid.uuid4().hex,
            "FOREIGN": str(foreign),
            "SOMEBODY": somebody.id,
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    seen: dict[str, Any] = json.loads(ran.stdout)
    return seen


def require_a_users_rights(seen: dict[str, Any]) -> None:
    """Assert that a new user could do what users may, and nothing else."""
    assert seen["written"]["user_id"] == seen["user_id"]
    assert seen["written"]["written_by"] == "authenticated"
    assert seen["written"]["error_data"] == {"stack": ["a"]}
    assert seen["foreign"] == []
    assert seen["patterns"] == []
    assert seen["forged"] == "42501"
    assert seen["changed"] == "42501"
    assert seen["learned"]["success"] is True
    assert seen["learned"]["pattern"]["pattern_signature"].startswith("pattern_")
    assert seen["refused"] == 401


def test_supabase_py_signs_up_logs_and_learns(
    addresses: dict[str, Any], user: Person, tmp_path: Path
) -> None:
    """A user of supabase-py writes his own rows, reads nobody else's, and teaches."""
    script = tmp_path / "user.py"
    script.write_text(PYTHON)
    require_a_users_rights(use([sys.executable, str(script)], addresses, user))


def test_supabase_js_signs_up_logs_and_learns(
    addresses: dict[str, Any], user: Person, tmp_path: Path
) -> None:
    """A user of supabase-js, the same."""
    script = tmp_path / "user.mjs"
    script.write_text(JAVASCRIPT)
    (tmp_path / "node_modules").symlink_to(ROOT / "node_modules")
    require_a_users_rights(use([str(find_node()), str(script)], addresses, user))
