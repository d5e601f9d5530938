"""The Jupyter Server extension: its configuration, and the life of what it opens.

This module is imported when the server starts, so it stays light: the service and its heavy imports follow in
the background (``opening``).
"""

from __future__ import annotations

import getpass
import logging
import os
from pathlib import Path
from typing import cast

from jupyter_core.paths import jupyter_data_dir
from jupyter_events import EventLogger
from jupyter_server.extension.application import ExtensionApp
from jupyter_server.serverapp import ServerApp
from traitlets import Bool, Dict, Float, Int, List, TraitError, Unicode, default, validate
from traitlets.utils.bunch import Bunch

from submarine_jupyter import __version__
from submarine_jupyter_server.config import DNS_LABEL, INSTANCE_LENGTH, ServiceConfig, is_instance, nobody
from submarine_jupyter_server.handlers import ROUTES
from submarine_jupyter_server.handlers.admission import Surroundings
from submarine_jupyter_server.handlers.authentication import HEADER_NAME, insecure, token_file, trusted_proxy
from submarine_jupyter_server.opening.activity import Activity
from submarine_jupyter_server.opening.startup import Opening
from submarine_jupyter_server.targets.kubernetes.environ import default_target, with_environment

EVENT_SCHEMA = "https://events.jupyter.org/submarine_jupyter/experiment/v1"


class SubmarineExtension(ExtensionApp):
    """Distributed training experiments: the Submarine Experiment REST API in a Jupyter Server."""

    name = "submarine_jupyter"
    app_name = "Submarine"
    description = "Define, launch and follow distributed training experiments over REST, on compute targets."
    version = __version__
    load_other_extensions = True
    open_browser = Bool(False)
    handlers = ROUTES

    data_dir = Unicode(
        help="Directory of the database, the run directories and the logs; made with mode 0700. "
        "Default: $SUBMARINE_DATA_DIR, or 'submarine' in the Jupyter data directory."
    ).tag(config=True)
    namespace = Unicode("default", help="Namespace of local experiments that name none in meta.namespace.").tag(
        config=True
    )
    namespaces = List(
        Unicode(),
        help="Further namespaces that local experiments may name; the server answers any other with 403.",
    ).tag(config=True)
    targets = Dict(
        key_trait=Unicode(),
        value_trait=Dict(),
        help="Clusters to run experiments on, name -> options (docs/kubernetes-target.md): "
        "{'cluster': {'context': 'prod', 'namespaces': ['team-a']}}. $SUBMARINE_KUBE_CONTEXT, $SUBMARINE_NAMESPACE "
        "or a pod's service account add one named 'kubernetes'.",
    ).tag(config=True)
    default_target = Unicode(
        None,
        allow_none=True,
        help="Compute target of experiments that name none in runtime.target. None: 'kubernetes' where "
        "$SUBMARINE_KUBE_CONTEXT or $SUBMARINE_NAMESPACE is set, else 'local', else the first of the targets.",
    ).tag(config=True)
    instance_name = Unicode(
        None,
        allow_none=True,
        help="Name of this server on clusters that it shares with others: a DNS label of at most 40 characters, which "
        "must not change. None: a random one, kept in the data directory.",
    ).tag(config=True)
    signing_key_file = Unicode(
        None,
        allow_none=True,
        help="File with the key, 64 hexadecimal digits, that signs what this server writes on its objects on clusters: "
        "by this alone a lost database is rebuilt from there. Servers that may take over from each other share it. "
        "None: a random one, kept in the data directory.",
    ).tag(config=True)
    local_enabled = Bool(True, help="Whether experiments may run as processes of this machine.").tag(config=True)
    local_cpus = Float(
        None,
        allow_none=True,
        help="CPU cores the local target may use in all; None: those this process may run on.",
    ).tag(config=True)
    local_memory = Unicode(
        None,
        allow_none=True,
        help="Memory the local target may use in all, as a Kubernetes quantity ('8Gi'); None: the machine's.",
    ).tag(config=True)
    grace_seconds = Float(
        10.0, help="Seconds a replica has between being asked to end (SIGTERM) and being killed (SIGKILL)."
    ).tag(config=True)
    log_cap_bytes = Int(
        1 << 30,
        help="Bytes kept of the log of one replica: the first and the newest, with a gap declared between.",
    ).tag(config=True)
    retention_days = Float(
        7.0,
        allow_none=True,
        help="Days the logs, files and secrets of a deleted experiment are kept; None: for ever, 0: they go at once.",
    ).tag(config=True)
    reconcile_seconds = Float(
        300.0, help="Seconds between two comparisons of the database with what runs on the targets."
    ).tag(config=True)

    separate_users = Bool(
        False,
        help="Whether users see and change only their own experiments. Set it only where several people share this "
        "server and none of them has a shell on it (no kernels, no terminals): a shell can read all files of the "
        "server. It needs an identity provider, or a trusted_user_header, that names each user.",
    ).tag(config=True)
    trusted_user_header = Unicode(
        help="Header in which a proxy in front of this server names the user whom it has authenticated, such as "
        "'kubeflow-userid'. Set it only where every request passes that proxy, and the proxy replaces what the caller "
        "sends: experiments may then run although Jupyter's own authentication is switched off."
    ).tag(config=True)

    @default("data_dir")
    def _default_data_dir(self) -> str:
        return os.environ.get("SUBMARINE_DATA_DIR") or str(Path(jupyter_data_dir()) / "submarine")

    @validate("local_cpus", "grace_seconds", "log_cap_bytes", "reconcile_seconds")
    def _positive(self, proposal: Bunch) -> float | int | None:
        value: float | int | None = proposal["value"]
        if value is not None and value <= 0:
            raise TraitError(f"SubmarineExtension.{proposal['trait'].name} must be greater than 0, not {value}.")
        return value

    @validate("trusted_user_header")
    def _header(self, proposal: Bunch) -> str:
        value: str = proposal["value"]
        if value and not HEADER_NAME.fullmatch(value):
            raise TraitError(f"SubmarineExtension.trusted_user_header: '{value}' is not the name of a header.")
        return value

    @validate("instance_name")
    def _label(self, proposal: Bunch) -> str | None:
        value: str | None = proposal["value"]
        if value is not None and not is_instance(value):
            raise TraitError(
                "SubmarineExtension.instance_name must be lower case letters, digits and '-', at most "
                f"{INSTANCE_LENGTH} characters, not '{value}'."
            )
        return value

    @validate("targets")
    def _named(self, proposal: Bunch) -> dict[str, dict[str, object]]:
        value: dict[str, dict[str, object]] = proposal["value"]
        for name in value:
            if name == "local" or not DNS_LABEL.fullmatch(name):
                raise TraitError(
                    f"SubmarineExtension.targets: a target cannot have the name '{name}': lower case letters, digits "
                    "and '-' can, but for 'local', which is this machine."
                )
        return value

    @classmethod
    def get_extension_package(cls) -> str:
        """Name the package that Jupyter's configuration enables, so that nothing is loaded twice."""
        return "submarine_jupyter_server"

    def initialize_settings(self) -> None:
        """Prepare what the handlers share, and open the service once the server runs."""
        server = cast(ServerApp, self.serverapp)
        self._log_beside_jupyter()
        cast(EventLogger, server.event_logger).register_event_schema(
            Path(__file__).parent / "events" / "experiment.yaml"
        )
        opening = Opening()
        proxy = trusted_proxy(server, self.trusted_user_header)
        strangers = insecure(server, proxy, separate=self.separate_users)
        if strangers:
            self.log.warning("Submarine runs no experiments here: %s %s", *strangers)
        self.settings["submarine_activity"] = Activity(opening)
        self.settings["submarine_surroundings"] = Surroundings(
            opening, _owner(), strangers, proxy, separate=self.separate_users
        )
        config = self._service_config()
        server.io_loop.add_callback(lambda: opening.start(config, own_process=server.starter_app is self))

    def _log_beside_jupyter(self) -> None:
        """Have the records of the package written where Jupyter's are; above that its logger is like any other."""
        handlers, logger = [], cast("logging.Logger | None", self.log)
        while logger is not None and logger is not logging.getLogger():
            handlers += logger.handlers
            logger = logger.parent if logger.propagate else None
        package_log = logging.getLogger(__package__)
        package_log.handlers[:] = handlers
        package_log.setLevel(self.log.getEffectiveLevel())

    def current_activity(self) -> bool:
        """Return whether experiments live: an idle server does not end before them."""
        activity: Activity | None = self.settings.get("submarine_activity")
        return activity is not None and activity.is_busy()

    async def stop_extension(self) -> None:
        """End the streams and close the service; running experiments go on."""
        surroundings: Surroundings | None = self.settings.get("submarine_surroundings")
        if surroundings is not None:
            if surroundings.proxy is not None:
                token_file(cast(ServerApp, self.serverapp).runtime_dir).unlink(missing_ok=True)
            await surroundings.sockets.close()
            await surroundings.streams.close()
            await surroundings.opening.close()

    def _service_config(self) -> ServiceConfig:
        targets = with_environment(self.targets, os.environ)
        return ServiceConfig(
            data_dir=Path(self.data_dir).expanduser().absolute(),
            namespace=self.namespace,
            namespaces=(self.namespace, *self.namespaces),
            default_target=self.default_target or default_target(targets, os.environ, local=self.local_enabled),
            targets=targets,
            instance=self.instance_name,
            signing_key_file=Path(self.signing_key_file).expanduser().absolute() if self.signing_key_file else None,
            local_enabled=self.local_enabled,
            local_cpus=self.local_cpus,
            local_memory=self.local_memory,
            grace_seconds=self.grace_seconds,
            log_cap_bytes=self.log_cap_bytes,
            retention_days=self.retention_days,
            reconcile_seconds=self.reconcile_seconds,
            emit=nobody if self.separate_users else self._emit,
        )

    def _emit(self, data: dict[str, object]) -> None:
        events = cast(EventLogger, cast(ServerApp, self.serverapp).event_logger)
        events.emit(schema_id=EVENT_SCHEMA, data=data)


def _owner() -> str:
    """Return the name of the user this server belongs to; it must be the same after every restart."""
    try:
        return os.environ.get("JUPYTERHUB_USER") or getpass.getuser()
    except (KeyError, OSError):
        return f"uid-{os.getuid()}"  # a container that runs under a number without a name


main = SubmarineExtension.launch_instance
