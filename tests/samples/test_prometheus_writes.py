"""A real Prometheus writes to us: all it sends is understood and stored, value by value."""

import json
import subprocess
import threading
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from tests.scenario.driver import PATIENCE_SECONDS, free_port

from tidecast.samples.remote_write import decode_body

from .support import ALL_TIME, matcher, open_store

pytestmark = pytest.mark.servers

CONFIG = """
global: {{scrape_interval: 1s}}
scrape_configs:
- job_name: itself
  static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
remote_write:
- url: http://127.0.0.1:{receiver}/write
  send_exemplars: true
  metadata_config: {{send_interval: 1s}}
  queue_config: {{batch_send_deadline: 200ms}}
"""


class Receiver(ThreadingHTTPServer):
    """Stores what it is sent, until metadata and 2000 samples have come."""

    def __init__(self, store):
        super().__init__(("127.0.0.1", 0), Handler)
        self.store = store
        self.samples = 0
        self.failures = []
        self.enough = threading.Event()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        try:
            found = decode_body(self.rfile.read(int(self.headers["Content-Length"])))
            report = self.server.store.append(found.batch)
            self.server.store.put_metadata(found.metadata)
            self.server.failures += report.rejected
            self.server.samples += report.appended
        except Exception as error:
            self.server.failures.append(error)
        if self.server.failures or (self.server.samples > 2000 and self.server.store.metadata()):
            self.server.enough.set()
        self.send_response(204)
        self.end_headers()

    def log_message(self, *arguments):
        pass


def test_what_prometheus_sends_is_what_it_holds(tmp_path):
    port = free_port()
    with open_store(tmp_path / "store") as store, Receiver(store) as receiver:
        config = tmp_path / "prometheus.yml"
        config.write_text(CONFIG.format(port=port, receiver=receiver.server_port))
        serving = threading.Thread(target=receiver.serve_forever)
        serving.start()
        server = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={tmp_path / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=error",
            ]
        )
        try:
            assert receiver.enough.wait(PATIENCE_SECONDS)
            assert receiver.failures == []
            query = "prometheus_tsdb_head_series[1h]"
            with urllib.request.urlopen(
                f"http://127.0.0.1:{port}/api/v1/query?query={query}"
            ) as answer:
                (held,) = json.load(answer)["data"]["result"]
        finally:
            server.terminate()
            server.wait()
            receiver.shutdown()
            serving.join()
        found = store.select([matcher("__name__", "=", "prometheus_tsdb_head_series")], *ALL_TIME)
        assert dict(found.labels[0]) == held["metric"]
        theirs = {round(float(at) * 1000): float(value) for at, value in held["values"]}
        ours = dict(zip(found.timestamps.tolist(), found.values.tolist(), strict=True))
        shared = theirs.keys() & ours.keys()
        # The newest sample of either may have missed the other.
        assert len(shared) >= max(1, len(theirs) - 3)
        assert {at: theirs[at] for at in shared} == {at: ours[at] for at in shared}
        assert store.metadata()["prometheus_tsdb_head_series"].type == "gauge"
