"""The wire: where a broker is, who may speak to it, and messages of bellis/1."""
