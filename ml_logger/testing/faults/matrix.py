"""The table of all faults."""

from __future__ import annotations

from ml_logger.testing.faults import children, crashes, kills, network, processes, resources
from ml_logger.testing.faults.report import Fault

FAULTS = (
    Fault("server-killed", ("F01", "F37"), kills.server_killed, 5),
    Fault("killed-at-calls", ("F02",), kills.killed_at_calls, 3),
    Fault("killed-at-every-step", ("F02", "F03"), crashes.killed_at_every_step),
    Fault("power-lost", ("F04",), crashes.power_lost),
    Fault("power-lost-unsynced", ("F04",), crashes.power_lost_unsynced),
    Fault("calls-fail-everywhere", ("F25",), crashes.calls_fail_everywhere),
    Fault("client-killed", ("F05",), kills.client_killed, 6),
    Fault("processes-end", ("F06",), processes.processes_end, 2),
    Fault("calls-interrupted", ("F07",), processes.calls_interrupted, 4),
    Fault("exits-interrupted", ("F07",), processes.exits_interrupted),
    Fault("forked-in-a-storm", ("F08",), children.forked_in_a_storm, 4),
    Fault("forked-under-locks", ("F08",), children.forked_under_locks, 3),
    Fault("started-by-multiprocessing", ("F08",), children.started_by_multiprocessing),
    Fault("collected-in-children", ("F09",), children.collected_in_children, 5),
    Fault("logged-at-the-end", ("F10",), processes.logged_at_the_end),
    Fault("server-absent", ("F11",), network.server_absent),
    Fault("server-mute", ("F12",), network.server_mute),
    Fault("network-slow", ("F13",), network.network_slow),
    Fault("connections-reset", ("F14",), network.connections_reset, 5),
    Fault("requests-duplicated", ("F15",), network.requests_duplicated, 5),
    Fault("requests-reordered", ("F16",), network.requests_reordered, 5),
    Fault("requests-damaged", ("F17",), network.requests_damaged, 5),
    Fault("acknowledgements-lost", ("F14", "F15"), network.acknowledgements_lost),
    Fault("disk-full-by-limit", ("F18",), resources.disk_full_by_limit),
    Fault("disk-full", ("F18",), resources.disk_full),
    Fault("catalog-disk-full", ("F19",), resources.catalog_disk_full),
    Fault("data-disk-full", ("F19",), resources.data_disk_full),
    Fault("spool-full", ("F20",), resources.spool_full),
    Fault("spool-unusable", ("F20",), resources.spool_unusable),
    Fault("server-short-of-descriptors", ("F22",), resources.server_short_of_descriptors),
    Fault("server-short-of-memory", ("F24",), resources.server_short_of_memory),
    Fault("client-short-of-descriptors", ("F23",), processes.client_short_of_descriptors),
    Fault("client-short-of-threads", ("F23",), processes.client_short_of_threads),
    Fault("clocks-jump", ("F32",), processes.clocks_jump),
    Fault("dribblers", ("F36",), network.dribblers),
    Fault("server-told-to-end", ("F33",), kills.server_told_to_end),
    Fault("server-frozen", ("F34",), kills.server_frozen),
    Fault("client-frozen", ("F35",), kills.client_frozen),
)
