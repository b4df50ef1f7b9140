"""The worker delivers what `net.http_post` has queued, as pg_net does: at most once."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import psycopg
import pytest
from psycopg.rows import TupleRow
from tests.conftest import Sql

from pattern_engine.local import deliveries
from pattern_engine.local.processes import wait_until

Database = psycopg.Connection[TupleRow]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


class Receiver:
    """An HTTP server that remembers what it was sent."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.status = 200
        self.delay = 0.0
        self.kind, self.answer = "text/plain", b"seen"
        self.at_once = self.most_at_once = 0
        self._counting = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=[0.02])
        self._thread.start()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.receive(self)

            do_GET = do_DELETE = do_POST  # noqa: N815

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Stay quiet."""

        return Handler

    def receive(self, request: BaseHTTPRequestHandler) -> None:
        """Remember a request and answer it."""
        length = int(request.headers.get("content-length") or 0)
        seen = {
            "method": request.command,
            "path": request.path,
            "headers": {name.lower(): value for name, value in request.headers.items()},
            "body": request.rfile.read(length).decode(),
            "at": time.monotonic(),
        }
        with self._counting:
            self.seen.append(seen)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.delay)
        with self._counting:
            self.at_once -= 1
        request.send_response(self.status)
        request.send_header("content-type", self.kind)
        request.end_headers()
        request.wfile.write(self.answer)

    def wait_for(self, count: int, seconds: float = 5) -> bool:
        """Wait until so many requests have come."""
        return wait_until(lambda: len(self.seen) >= count, seconds)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """A place to send requests to."""
    receiver = Receiver()
    yield receiver
    receiver.close()


def _post(connection: Database, url: str, **arguments: Any) -> int:
    names = "".join(f", {name} => %s" for name in arguments)
    values = [
        json.dumps(value) if isinstance(value, dict) else value for value in arguments.values()
    ]
    row = connection.execute(f"select net.http_post(%s{names})".encode(), [url, *values]).fetchone()
    assert row
    return int(row[0])


def _response(connection: Database, request: int, seconds: float = 5) -> TupleRow:
    found: list[TupleRow] = []

    def look() -> bool:
        found[:] = connection.execute(
            "select status_code, content_type, content, timed_out, error_msg "
            "from net._http_response where id = %s",
            (request,),
        ).fetchall()
        return bool(found)

    assert wait_until(look, seconds)
    (response,) = found
    return response


def test_a_request_is_delivered_and_its_answer_recorded(
    as_postgres: Database, receiver: Receiver
) -> None:
    """Method, address, headers and body arrive; the answer is found under the request's id."""
    headers = {"content-type": "application/json", "x-webhook-secret": "s"}
    params = {"a b": "c&d", "ü": "1"}
    request = _post(
        as_postgres, receiver.url + "/path", body={"id": 1}, headers=headers, params=params
    )
    assert receiver.wait_for(1)
    (seen,) = receiver.seen
    assert (seen["method"], seen["path"]) == ("POST", "/path?%C3%BC=1&a%20b=c%26d")
    assert json.loads(seen["body"]) == {"id": 1}
    assert headers.items() <= seen["headers"].items()
    assert _response(as_postgres, request) == (200, "text/plain", "seen", False, None)


def test_a_request_leaves_within_a_fraction_of_a_second(
    as_postgres: Database, receiver: Receiver
) -> None:
    """The worker is woken at commit; it does not wait for its next look."""
    waits = []
    for count in range(1, 6):
        asked = time.monotonic()
        _post(as_postgres, receiver.url)
        assert receiver.wait_for(count)
        waits.append(receiver.seen[-1]["at"] - asked)
    assert sorted(waits)[2] < 0.25


def test_nothing_is_sent_before_the_commit(as_postgres: Database, receiver: Receiver) -> None:
    """A transaction that is rolled back has sent nothing."""
    with as_postgres.transaction(force_rollback=True):
        _post(as_postgres, receiver.url)
    _post(as_postgres, receiver.url + "/after")
    assert receiver.wait_for(1)
    assert [seen["path"] for seen in receiver.seen] == ["/after"]


def test_a_failed_request_is_not_sent_again(as_postgres: Database, receiver: Receiver) -> None:
    """An answer of 500 is recorded; as with pg_net, nobody tries again."""
    receiver.status = 500
    request = _post(as_postgres, receiver.url)
    assert _response(as_postgres, request)[0] == 500
    _post(as_postgres, receiver.url + "/after")
    assert receiver.wait_for(2)
    assert [seen["path"] for seen in receiver.seen] == ["/", "/after"]
    queued = as_postgres.execute("select count(*) from net.http_request_queue").fetchone()
    assert queued == (0,)


def test_a_time_out_is_recorded(as_postgres: Database, receiver: Receiver) -> None:
    """A receiver that is slower than the request allows is given up."""
    receiver.delay = 1
    request = _post(as_postgres, receiver.url, timeout_milliseconds=100)
    assert _response(as_postgres, request) == (None, None, None, True, "Timeout of 100 ms reached")


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "nonsense", "http://[", "gopher://x"])
def test_an_address_that_does_not_answer_is_recorded(as_postgres: Database, url: str) -> None:
    """A wrong address gives an error message, and the worker goes on."""
    status, _, _, timed_out, error = _response(as_postgres, _post(as_postgres, url))
    assert (status, timed_out) == (None, False)
    assert error


@pytest.mark.parametrize(
    "headers", ['{"x": null}', '{"x": 5}', '["x"]', '"x"', '{"x": "é\\u2028"}', '{"x y": "z"}']
)
def test_a_request_that_cannot_be_sent_is_recorded(
    as_postgres: Database, receiver: Receiver, headers: str
) -> None:
    """Whatever stands in the queue, its outcome is recorded, and the worker goes on."""
    row = as_postgres.execute(
        "insert into net.http_request_queue (method, url, headers, timeout_milliseconds) "
        "values ('POST', %s, %s, 1000) returning id",
        (receiver.url, headers),
    ).fetchone()
    assert row
    status, _, _, _, error = _response(as_postgres, row[0])
    assert (status is None) == bool(error)


@pytest.mark.parametrize(
    "kind", ["text/plain; charset=hex", "text/plain; charset=utf-7", "text/plain; charset=nonsense"]
)
def test_an_answer_that_cannot_be_read_is_recorded(
    as_postgres: Database, receiver: Receiver, kind: str
) -> None:
    """Whatever is answered, the outcome is recorded, and the worker goes on."""
    receiver.kind, receiver.answer = kind, b"+2AA-seen"
    response = _response(as_postgres, _post(as_postgres, receiver.url))
    assert response[0] == 200 or response[4]


def test_the_worker_survives_what_is_wrong_with_its_tables(
    as_superuser: Database, as_postgres: Database, receiver: Receiver
) -> None:
    """While the queue is missing nothing is sent; once it is there again, everything is."""
    with as_superuser.transaction():
        as_superuser.execute("alter table net.http_request_queue rename to hidden")
        as_superuser.execute("notify net_http_request_queue")
    time.sleep(1.5)  # the worker looks once a second
    as_superuser.execute("alter table net.hidden rename to http_request_queue")
    _post(as_postgres, receiver.url)
    assert receiver.wait_for(1)


def test_requests_are_sent_side_by_side_but_not_all_at_once(
    as_postgres: Database, receiver: Receiver
) -> None:
    """A slow receiver does not hold up the others, and a flood does not drown it."""
    receiver.delay = 0.2
    as_postgres.execute(
        "select net.http_post(%s || '/' || number) from generate_series(1, 80) as number",
        (receiver.url,),
    )
    assert receiver.wait_for(80)
    assert sorted(int(seen["path"][1:]) for seen in receiver.seen) == list(range(1, 81))
    assert 8 < receiver.most_at_once <= 32


def test_get_and_delete_are_delivered(as_postgres: Database, receiver: Receiver) -> None:
    """The other methods of pg_net work too."""
    as_postgres.execute("select net.http_get(%s)", (receiver.url,))
    as_postgres.execute("select net.http_delete(%s)", (receiver.url,))
    assert receiver.wait_for(2)
    assert sorted(seen["method"] for seen in receiver.seen) == ["DELETE", "GET"]


def test_a_body_that_is_no_json_is_refused(as_postgres: Database, receiver: Receiver) -> None:
    """Like pg_net, a POST takes JSON alone."""
    with pytest.raises(psycopg.errors.RaiseException, match="application/json"):
        _post(as_postgres, receiver.url, headers={"Content-Type": "text/plain"})


def test_a_lost_connection_is_made_again(
    as_postgres: Database, as_superuser: Database, receiver: Receiver
) -> None:
    """After the database has closed the worker's connections, requests are delivered again."""
    closed = as_superuser.execute(
        "select count(pg_terminate_backend(pid)) from pg_stat_activity "
        "where application_name = 'pattern-engine worker'"
    ).fetchone()
    assert closed
    assert closed[0]
    _post(as_postgres, receiver.url)
    assert receiver.wait_for(1)


def test_a_limit_holds_whatever_the_plan_is(admin: Sql) -> None:
    """The worker takes no more requests than it has room for, also once the table is analyzed."""
    with admin.undone():
        admin.run(
            "insert into net.http_request_queue (method, url, timeout_milliseconds) "
            "select 'GET', 'http://127.0.0.1:9/', 1 from generate_series(1, 600)"
        )
        admin.run("analyze net.http_request_queue")
        assert len(admin.rows(deliveries.TAKE, 32)) == 32
