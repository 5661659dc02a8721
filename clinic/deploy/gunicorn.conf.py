"""Several web processes by gunicorn, with the settings that `clinic serve` has.

    CLINIC_INSTANCE_PATH=/var/lib/secure-base gunicorn --config .../clinic/deploy/gunicorn.conf.py

Start the keyholder first (`clinic keyholder`). No part of a request or of a reply is written to a disk: gunicorn reads
bodies from the socket into memory and writes replies to it. Its log lines go through ours: no address, no message.
"""

import os

from gunicorn.glogging import Logger

from clinic import logs
from clinic.app import address_of, listen_on
from clinic.config import load
from clinic.hardening import harden


class Silent(Logger):
    """What gunicorn has to say, in our own lines of fixed fields: its messages hold paths and addresses."""

    def setup(self, cfg):
        """Hand everything to the root logger, which writes no message."""
        logs.setup()
        self.loglevel = self.LOG_LEVELS["warning"]
        self.error_log.handlers.clear()
        self.error_log.propagate = True
        self.error_log.setLevel(self.loglevel)
        self.access_log.handlers.clear()
        self.access_log.disabled = True

    def reopen_files(self):
        """There are none."""


settings = load()  # not `config`: gunicorn takes every name here that it knows for a setting of its own
wsgi_app = "clinic.wsgi:app()"
bind = listen_on(settings.host, settings.port).split()
workers, threads, worker_class = settings.web_processes, settings.web_threads, "gthread"
preload_app = False  # each process makes its own press and its own connections, after it was forked
umask = 0o077
timeout, graceful_timeout, keepalive = 60, 30, 5  # s; a thread that writes to a slow reader is not counted
max_requests = 0
limit_request_line, limit_request_fields, limit_request_field_size = 4094, 100, 8190
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108 - a heartbeat, without content  # nosec B108
sendfile = False
# Behind the declared proxy the application reads its headers itself, one hop and never the host; gunicorn none.
forwarded_allow_ips = ""
secure_scheme_headers = {}
accesslog = None
capture_output = False
logger_class = Silent
control_socket_disable = True
proc_name = "secure-base"


def on_starting(server):
    """The process that watches the others holds no key, but the environment names the database."""
    harden()
    print(f"Secure Base: {address_of(settings, settings.port)}", flush=True)


def worker_exit(server, worker):
    """Give back what is being drawn, and the children of the press."""
    from clinic import wsgi

    wsgi.end()
