"""The configuration that the engine writes on a host: rendered, compared with what runs, guarded, watched after a deployment."""
