"""The packages for other languages, each with its own tests and with real brokers."""
