"""The wire: endpoints of brokers, keys to connect with, and messages of bellis/1."""
