"""The workspace operator, and the library rooms (api, catalog, planning, runtime) all three programs share."""
