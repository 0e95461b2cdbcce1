"""A disk without room: refused clearly, nothing acknowledged lost, and going on when there is room.

The limit on file size stands in for the full disk: beyond it the kernel writes a part and then
refuses, as a full disk does.
"""

import os
import subprocess
import sys
from pathlib import Path

from tests.scenario.driver import PATIENCE_SECONDS

SCRIPT = """
import resource, sys, types
from pathlib import Path
package = types.ModuleType("samples_tests"); package.__path__ = [sys.argv[2]]
sys.modules["samples_tests"] = package
from samples_tests.support import ALL_TIME, batch_of, labels_of, open_store
from tidecast.samples.protocol import MetricMetadata, SamplesUnavailable
import numpy as np

def room(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def held(store):
    found = store.select([], *ALL_TIME)
    return list(zip(found.timestamps.tolist(), found.values.tolist()))

def refused(action, *arguments):
    try:
        action(*arguments)
    except SamplesUnavailable as error:
        assert str(directory) in str(error), error
        return True
    return False

directory = Path(sys.argv[1])
UP = labels_of("up", host="a")
store = open_store(directory, window_ms=10**9)
acknowledged = []
def append(times):
    values = np.random.default_rng(len(acknowledged)).random(len(times))
    store.append(batch_of((UP, times, values)))
    acknowledged.extend(zip(times, values.tolist()))

append(range(10))
room(4096)
append(range(10, 20))
assert refused(append, range(100, 600))           # a log frame of 8 kB does not fit
assert held(store) == acknowledged
append(range(20, 30))                             # a small one still does
room(1)
assert refused(append, range(30, 40))             # nor a new log file
assert refused(store.put_metadata, {"up": MetricMetadata("gauge", "")})
assert held(store) == acknowledged
room(resource.RLIM_INFINITY)
append(range(100, 1000))
room(4096)
assert refused(store.flush)                       # nor a segment of 900 random values
assert refused(store.delete, [], 0, 5)
append(range(1000, 1010))
assert held(store) == acknowledged
assert not list((directory / "segments").iterdir())
assert refused(store.maintain, 10**10)
room(resource.RLIM_INFINITY)
store.maintain(10**10)
append(range(2000, 2010))
store.flush()
store.put_metadata({"up": MetricMetadata("gauge", "")})
assert held(store) == acknowledged
assert store.stats().head_samples == 0 and not list((directory / "log").iterdir())
append(range(3000, 3010))
room(300)
assert refused(append, range(3010, 3100))
store.close()
room(resource.RLIM_INFINITY)
store = open_store(directory, window_ms=10**9)
assert held(store) == acknowledged
assert store.stats().problems == ()
store.close()
print("whole")
"""


def test_a_full_disk_costs_nothing_acknowledged(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, tmp_path / "store", Path(__file__).parent],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert (done.stdout, done.stderr) == ("whole\n", "")
