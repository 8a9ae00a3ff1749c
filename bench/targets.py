"""What is measured: the mock itself, the yardsticks, and the gateway."""

import glob
import os
import shutil
import signal
import time

from procs import GATEWAY_CORE, Child, Fault, free_port, wait_port, wait_ready

ADMIN_KEY = "sk-bench-admin-0123456789abcdef"
UPSTREAM_KEY = "sk-bench-upstream"


class Direct:
    """No proxy at all."""

    name = "direct"

    def __init__(self, mock):
        self.child = mock.child
        self.port = self.stream_port = mock.port

    def stop(self):
        pass


class Forwarder:
    """The bare hyper forwarder."""

    name = "forwarder"

    def __init__(self, binary, mock, work, under=()):
        self.port = self.stream_port = free_port()
        argv = [*under, binary, "--listen", f"127.0.0.1:{self.port}", "--upstream", f"127.0.0.1:{mock.port}"]
        self.child = Child(self.name, argv, GATEWAY_CORE, os.path.join(work, "forwarder.log"))
        wait_port(self.child, self.port)

    def stop(self):
        self.child.stop()


NGINX = """
daemon off;
{user}
worker_processes 1;
worker_rlimit_nofile 20000;
pid {work}/nginx.pid;
error_log {work}/nginx.log warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  tcp_nodelay on;
  keepalive_requests 1000000000;
  client_max_body_size 0;
  # A 300 KB body stays in memory.
  client_body_buffer_size 1m;
  client_body_temp_path {work}/nginx_body;
  proxy_temp_path {work}/nginx_proxy;
  fastcgi_temp_path {work}/nginx_fastcgi;
  uwsgi_temp_path {work}/nginx_uwsgi;
  scgi_temp_path {work}/nginx_scgi;
  upstream mock {{
    server 127.0.0.1:{mock};
    keepalive 2048;
    keepalive_requests 1000000000;
  }}
  proxy_http_version 1.1;
  proxy_set_header Connection "";
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{ proxy_pass http://mock; }}
  }}
  # Streams: nothing is held back, and a burst of 100 events fits into one read and one write.
  server {{
    listen 127.0.0.1:{stream_port} backlog=4096;
    location / {{
      proxy_pass http://mock;
      proxy_buffering off;
      proxy_buffer_size 32k;
      proxy_buffers 8 32k;
      proxy_busy_buffers_size 64k;
    }}
  }}
}}
"""


class Nginx:
    """A plain nginx proxy; its two ports differ in how answers are buffered."""

    name = "nginx"

    @staticmethod
    def binary():
        return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")

    def __init__(self, mock, work):
        self.port, self.stream_port = free_port(), free_port()
        user = "user root;" if os.getuid() == 0 else ""
        path = os.path.join(work, "nginx.conf")
        with open(path, "w") as conf:
            conf.write(NGINX.format(user=user, work=work, mock=mock.port, port=self.port, stream_port=self.stream_port))
        self.child = Child(self.name, [self.binary(), "-c", path, "-e", os.path.join(work, "nginx.log")], GATEWAY_CORE, os.path.join(work, "nginx.out"))
        wait_port(self.child, self.port)

    def stop(self):
        self.child.stop()


CONFIG = """
[global]
host = "127.0.0.1"
port = {port}
admin_key = "{admin_key}"
data_dir = "{data_dir}"

[[channels]]
id = "custom"
enabled = true

[channels.settings]
base_url = "http://127.0.0.1:{mock}"

[[channels.credentials]]
label = "bench"
secret = "{upstream_key}"

# The same provider in another dialect: what an OpenAI client asks of it is converted, there and back.
[[channels]]
id = "messages"
channel = "custom"
enabled = true

[channels.settings]
base_url = "http://127.0.0.1:{mock}"
dialects = ["claude"]

[[channels.credentials]]
label = "bench"
secret = "{upstream_key}"
"""


class Gateway:
    """The gateway as an operator would start it: everything on, nothing tuned for the test.

    A tool may start it `under` another program, with more lines of configuration, and wait longer for it.
    """

    name = "gateway"

    def __init__(self, binary, mock, work, under=(), more="", patience=20):
        self.argv, self.work, self.patience = [*under, binary], work, patience
        self.port = self.stream_port = free_port()
        self.data_dir = os.path.join(work, "data")
        self.log = os.path.join(work, "gateway.log")
        self.config = os.path.join(work, "gproxy.toml")
        os.makedirs(self.data_dir, exist_ok=True)
        with open(self.config, "w") as config:
            config.write(CONFIG.format(port=self.port, admin_key=ADMIN_KEY, data_dir=self.data_dir, mock=mock.port, upstream_key=UPSTREAM_KEY) + more)
        self.child = None
        self.start()

    def start(self):
        """Starts it on what data there is; gives the milliseconds until it was ready."""
        # What the surroundings set must not reach into the run.
        env = {name: value for name, value in os.environ.items() if not name.startswith(("GPROXY_", "DATABASE_"))}
        begin = time.monotonic()
        self.child = Child(self.name, [*self.argv, "--config", self.config], GATEWAY_CORE, self.log, env)
        wait_ready(self.child, self.port, self.patience)
        return (time.monotonic() - begin) * 1000

    def kill(self):
        self.child.stop(how=signal.SIGKILL)

    def stop(self):
        self.child.stop(patience=30)

    def trim_log(self):
        """Keeps a log line per request from filling the disk in a long run."""
        if os.path.getsize(self.log) > 64 << 20:
            os.truncate(self.log, 0)

    def database(self):
        found = glob.glob(os.path.join(self.data_dir, "**", "*.db"), recursive=True)
        if len(found) != 1:
            raise Fault(f"one SQLite database expected under the data directory, found {found}")
        return found[0]
