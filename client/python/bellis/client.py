"""The name that daisy has for the home of Client."""

from bellis.worker import Client as Client
